//! A scene as bytes, to be kept over a restart. They hold the direction of edges between blocks of
//! a ninety-sixth of the picture, from which no plate and no face can be made out, and yet what a
//! street looks like: whoever keeps them encrypts them.

use super::{LOOKS_MIN, Reference, Scene, SceneLook};

/// Begins every form of these bytes that is alike.
const FORM: &[u8; 8] = b"varcosc1";
/// Most blocks of a picture.
const BLOCKS_MAX: usize = 1 << 16;

impl Scene {
    /// What is known of the scene; none while nothing is sure, or while something is wrong.
    #[must_use]
    pub fn kept(&self) -> Option<Vec<u8>> {
        let (width, height) = self.sides?;
        if self.learnt() == 0 || self.suspect.is_some() {
            return None;
        }
        let mut bytes = FORM.to_vec();
        bytes.extend(width.to_le_bytes());
        bytes.extend(height.to_le_bytes());
        for reference in [&self.day, &self.night] {
            reference.write(&mut bytes)?;
        }
        Some(bytes)
    }

    /// A scene that was kept; none when these are not its bytes.
    #[must_use]
    pub fn from_kept(bytes: &[u8]) -> Option<Self> {
        let mut rest = Rest(bytes.strip_prefix(FORM)?);
        let scene = Self {
            sides: Some((rest.number()?, rest.number()?)),
            day: Reference::read(&mut rest)?,
            night: Reference::read(&mut rest)?,
            ..Self::default()
        };
        rest.0.is_empty().then_some(scene)
    }
}

impl Reference {
    fn write(&self, bytes: &mut Vec<u8>) -> Option<()> {
        // One that is half learnt is learnt from its beginning.
        let edges: &[_] = if self.looks < LOOKS_MIN {
            &[]
        } else {
            &self.look.edges
        };
        bytes.extend(u32::try_from(self.look.columns).ok()?.to_le_bytes());
        bytes.extend(u32::try_from(edges.len()).ok()?.to_le_bytes());
        bytes.extend(self.look.detail.to_le_bytes());
        bytes.extend(edges.iter().flatten().flat_map(|edge| edge.to_le_bytes()));
        Some(())
    }

    fn read(rest: &mut Rest<'_>) -> Option<Self> {
        let columns = usize::try_from(rest.number()?).ok()?;
        let count = usize::try_from(rest.number()?).ok()?;
        let detail = rest.float()?;
        if count == 0 {
            return Some(Self::default());
        }
        if count > BLOCKS_MAX || columns == 0 || !count.is_multiple_of(columns) {
            return None;
        }
        let pairs = (0..count).map(|_| Some([rest.float()?, rest.float()?]));
        let edges: Vec<[f32; 2]> = pairs.collect::<Option<_>>()?;
        let look = SceneLook {
            edges,
            columns,
            detail,
        };
        Some(Self {
            look,
            looks: LOOKS_MIN,
        })
    }
}

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn number(&mut self) -> Option<u32> {
        let (four, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*four))
    }

    fn float(&mut self) -> Option<f32> {
        let value = f32::from_bits(self.number()?);
        value.is_finite().then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use varco_proto::time::UtcTime;

    use super::super::SceneFault;
    use super::super::tests::{byte, street};
    use super::*;
    use crate::core::frame::tests::grey;
    use crate::core::view::thumb::Thumb;

    /// Shows a scene a street for some seconds and gives the faults reported.
    fn show(
        scene: &mut Scene,
        salt: u32,
        sides: (u32, u32),
        seconds: std::ops::Range<u32>,
    ) -> Vec<SceneFault> {
        seconds
            .filter_map(|second| {
                let picture = |x, y| byte(street(salt, 100, x, y, second));
                let mut frame = grey(sides.0, sides.1, picture);
                frame.captured.at = UtcTime::from_unix_us(0) + Duration::from_secs(1) * second;
                let thumb = Thumb::of(&frame);
                scene.take(&frame, &thumb)
            })
            .collect()
    }

    const SIDES: (u32, u32) = (480, 270);

    fn learnt() -> Scene {
        let mut scene = Scene::default();
        show(&mut scene, 1, SIDES, 0..130);
        scene
    }

    #[test]
    fn c31_part_a_camera_that_was_turned_while_the_box_was_off_is_told() {
        let kept = learnt().kept().unwrap();
        let mut same = Scene::from_kept(&kept).unwrap();
        assert_eq!(show(&mut same, 1, SIDES, 5000..5060), []);
        let mut turned = Scene::from_kept(&kept).unwrap();
        assert_eq!(
            show(&mut turned, 2, SIDES, 5000..5060),
            [SceneFault::Turned]
        );
        assert_eq!(turned.kept(), None, "what is wrong is not kept");
        turned.forget();
        assert_eq!(
            show(&mut turned, 2, SIDES, 5060..5200),
            [],
            "it was released"
        );
        assert_eq!((turned.learnt(), turned.kept().is_some()), (1, true));
    }

    #[test]
    fn nothing_is_kept_before_it_is_sure_and_another_resolution_is_learnt_anew() {
        let mut scene = Scene::default();
        show(&mut scene, 1, SIDES, 0..60);
        assert_eq!(scene.kept(), None);
        let mut scene = Scene::from_kept(&learnt().kept().unwrap()).unwrap();
        assert_eq!((scene.learnt(), scene.sides()), (1, Some(SIDES)));
        assert_eq!(show(&mut scene, 2, (640, 360), 5000..5060), []);
        assert_eq!(scene.learnt(), 0);
    }

    #[test]
    fn bytes_that_are_no_scene_are_refused_wherever_they_are_broken() {
        let kept = learnt().kept().unwrap();
        for length in (0..kept.len()).step_by(97) {
            assert!(Scene::from_kept(&kept[..length]).is_none(), "{length}");
        }
        let longer = [&kept[..], &[0]].concat();
        assert!(Scene::from_kept(&longer).is_none());
        for at in 0..40 {
            let mut other = kept.clone();
            other[at] = 0xff;
            // Whatever comes of it, it takes frames.
            if let Some(mut scene) = Scene::from_kept(&other) {
                show(&mut scene, 1, SIDES, 5000..5003);
            }
        }
    }
}
