//! Pages of a PDF/A-2u document, filled from top to bottom. The one door to the crate `krilla`, which holds what it
//! writes against the standard and refuses what does not fit.

use krilla::Document;
use krilla::SerializeSettings;
use krilla::color::rgb;
use krilla::configure::{Archival, ConfigurationBuilder};
use krilla::geom::{Point, Size, Transform};
use krilla::image::Image;
use krilla::metadata::{DateTime, Metadata};
use krilla::page::PageSettings;
use krilla::paint::Fill;
use krilla::text::{Font, TextDirection};
use varco_proto::time::UtcTime;

use super::ReportError;

/// A4, in points.
const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
const MARGIN: f32 = 56.0;
/// Where values stand beside their names.
const VALUE_INDENT: f32 = 150.0;
const SMALL: f32 = 8.0;
const NORMAL: f32 = 9.5;
const LARGE: f32 = 12.0;
const TITLE: f32 = 18.0;
/// Highest a picture is drawn, in points.
const PICTURE_HEIGHT: f32 = 64.0;
/// The longest text of a paragraph, in characters: more is no report.
const TEXT_CHARACTERS_MAX: usize = 4_000;

const SANS: &[u8] = include_bytes!("../fonts/dejavu-sans.ttf");
const BOLD: &[u8] = include_bytes!("../fonts/dejavu-sans-bold.ttf");

#[derive(Clone, Copy)]
enum Face {
    Plain,
    Bold,
}

/// What is drawn, at its place.
enum Drawn {
    Text {
        x: f32,
        y: f32,
        size: f32,
        face: Face,
        text: String,
    },
    Picture {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
        png: Vec<u8>,
    },
}

/// A document in the making.
pub(super) struct Sheets {
    title: String,
    at: UtcTime,
    pages: Vec<Vec<Drawn>>,
    y: f32,
}

impl Sheets {
    pub(super) fn new(title: &str, at: UtcTime) -> Self {
        Self {
            title: title.to_owned(),
            at,
            pages: vec![Vec::new()],
            y: MARGIN,
        }
    }

    /// Room for so much, on a new page if there is none on this.
    fn room(&mut self, height: f32) {
        if self.y + height > HEIGHT - MARGIN {
            self.pages.push(Vec::new());
            self.y = MARGIN;
        }
    }

    fn draw(&mut self, drawn: Drawn) {
        if let Some(page) = self.pages.last_mut() {
            page.push(drawn);
        }
    }

    fn lines(&mut self, text: &str, x: f32, size: f32, face: Face) {
        let text: String = text
            .chars()
            .take(TEXT_CHARACTERS_MAX)
            .map(drawable)
            .collect();
        for line in wrapped(&text, (WIDTH - MARGIN - x) / size) {
            self.room(size * 1.45);
            self.y += size * 1.45;
            let y = self.y;
            self.draw(Drawn::Text {
                x,
                y,
                size,
                face,
                text: line,
            });
        }
    }

    pub(super) fn title(&mut self, text: &str) {
        self.lines(text, MARGIN, TITLE, Face::Bold);
        self.gap();
    }

    /// A heading that stays with what follows it.
    pub(super) fn heading(&mut self, text: &str, height_after: f32) {
        self.gap();
        self.room(LARGE * 1.45 + height_after);
        self.lines(text, MARGIN, LARGE, Face::Bold);
        self.y += 3.0;
    }

    pub(super) fn paragraph(&mut self, text: &str) {
        self.lines(text, MARGIN, NORMAL, Face::Plain);
        self.y += 4.0;
    }

    pub(super) fn small(&mut self, text: &str) {
        self.lines(text, MARGIN, SMALL, Face::Plain);
    }

    /// A name and its value.
    pub(super) fn row(&mut self, name: &str, value: &str) {
        self.room(NORMAL * 1.45 + 1.0);
        let top = self.y;
        self.lines(name, MARGIN, SMALL, Face::Bold);
        self.y = top;
        self.lines(value, MARGIN + VALUE_INDENT, NORMAL, Face::Plain);
        self.y += 1.0;
    }

    pub(super) fn gap(&mut self) {
        self.y += NORMAL;
    }

    /// A picture of so many pixels.
    pub(super) fn picture(&mut self, png: &[u8]) -> Result<(), ReportError> {
        let image = image(png)?;
        let (width, height) = image.size();
        let (width, height) = (pixels(width), pixels(height));
        let scale = (PICTURE_HEIGHT / height).min((WIDTH - 2.0 * MARGIN - VALUE_INDENT) / width);
        let (width, height) = (width * scale, height * scale);
        self.room(height + 6.0);
        let (x, y) = (MARGIN + VALUE_INDENT, self.y + 4.0);
        let png = png.to_vec();
        self.draw(Drawn::Picture {
            x,
            y,
            width,
            height,
            png,
        });
        self.y += height + 6.0;
        Ok(())
    }

    /// The document.
    pub(super) fn finish(self) -> Result<Vec<u8>, ReportError> {
        let wrong = |error: &dyn std::fmt::Debug| ReportError::Pdf(format!("{error:?}"));
        let configuration = ConfigurationBuilder::new()
            .with_archival_validator(Archival::A2_U)
            .finish()
            .map_err(|error| wrong(&error))?;
        let mut document = Document::new_with(SerializeSettings {
            configuration,
            ..SerializeSettings::default()
        });
        let font =
            |bytes: &'static [u8]| Font::new(bytes.to_vec().into(), 0).ok_or(ReportError::Font);
        let (plain, bold) = (font(SANS)?, font(BOLD)?);
        let settings = PageSettings::from_wh(WIDTH, HEIGHT).ok_or(ReportError::Font)?;
        let count = self.pages.len();
        for (at, drawn) in self.pages.into_iter().enumerate() {
            let mut page = document.start_page_with(settings.clone());
            let mut surface = page.surface();
            surface.set_fill(Some(Fill {
                paint: rgb::Color::new(0, 0, 0).into(),
                ..Fill::default()
            }));
            let foot = Drawn::Text {
                x: MARGIN,
                y: HEIGHT - MARGIN / 2.0,
                size: SMALL,
                face: Face::Plain,
                text: format!("{} — pagina {} di {count}", self.title, at + 1),
            };
            for one in drawn.into_iter().chain([foot]) {
                match one {
                    Drawn::Text {
                        x,
                        y,
                        size,
                        face,
                        text,
                    } => {
                        let font = match face {
                            Face::Plain => plain.clone(),
                            Face::Bold => bold.clone(),
                        };
                        let start = Point::from_xy(x, y);
                        surface.draw_text(
                            start,
                            font,
                            size,
                            &text,
                            false,
                            TextDirection::LeftToRight,
                        );
                    }
                    Drawn::Picture {
                        x,
                        y,
                        width,
                        height,
                        png,
                    } => {
                        let size = Size::from_wh(width, height).ok_or(ReportError::Picture)?;
                        surface.push_transform(&Transform::from_translate(x, y));
                        surface.draw_image(image(&png)?, size);
                        surface.pop();
                    }
                }
            }
            surface.finish();
            page.finish();
        }
        document.set_metadata(metadata(&self.title, self.at));
        document.finish().map_err(|error| wrong(&error))
    }
}

fn image(png: &[u8]) -> Result<Image, ReportError> {
    Image::from_png(png.to_vec().into(), false).map_err(|_| ReportError::Picture)
}

/// A side of a picture: at most 1024, so that it fits.
fn pixels(side: u32) -> f32 {
    u16::try_from(side)
        .map_or(f32::from(u16::MAX), f32::from)
        .max(1.0)
}

fn metadata(title: &str, at: UtcTime) -> Metadata {
    // As RFC 3339: 2026-11-29T19:25:22Z.
    let text = at.to_string();
    let number = |from: usize, to: usize| {
        text.get(from..to)
            .and_then(|part| part.parse::<u8>().ok())
            .unwrap_or(1)
    };
    let year = text
        .get(0..4)
        .and_then(|year| year.parse().ok())
        .unwrap_or(1970);
    let date = DateTime::new(year)
        .month(number(5, 7))
        .day(number(8, 10))
        .hour(number(11, 13))
        .minute(number(14, 16))
        .second(number(17, 19))
        .utc_offset_hour(0)
        .utc_offset_minute(0);
    Metadata::new()
        .title(title.to_owned())
        .language("it".to_owned())
        .creator("Varco".to_owned())
        .creation_date(date)
}

/// A character that the fonts have; a box stands for others, so that a missing one is seen.
fn drawable(character: char) -> char {
    match character {
        ' '..='~' | '\u{a0}'..='\u{17f}' | '\u{2010}'..='\u{2015}' | '\u{2018}'..='\u{201e}' => {
            character
        }
        '•' | '…' | '€' => character,
        _ => '¤',
    }
}

/// Text in lines of at most so many times the font's size. Words that are longer are cut.
fn wrapped(text: &str, widths: f32) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0.0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let blank = if used > 0.0 { width(' ') } else { 0.0 };
        let length: f32 = word.chars().map(width).sum();
        if used > 0.0 && used + blank + length > widths {
            lines.push(String::new());
            used = 0.0;
        } else if used > 0.0 {
            push(&mut lines, ' ');
            used += blank;
        }
        for character in word.chars() {
            if used + width(character) > widths {
                lines.push(String::new());
                used = 0.0;
            }
            push(&mut lines, character);
            used += width(character);
        }
    }
    lines
}

fn push(lines: &mut [String], character: char) {
    if let Some(line) = lines.last_mut() {
        line.push(character);
    }
}

/// How wide a character is at most, in the font's size, rounded up: lines rather end early than run out of the page.
fn width(character: char) -> f32 {
    match character {
        'i' | 'j' | 'l' | 'I' | 'J' | '.' | ',' | ':' | ';' | '\'' | ' ' | '|' | '!' => 0.36,
        'f' | 't' | 'r' | '-' | '(' | ')' | '/' => 0.45,
        'm' | 'M' | 'W' | '@' | '%' | '—' => 1.0,
        'w' => 0.83,
        'A'..='Z' => 0.80,
        _ => 0.66,
    }
}
