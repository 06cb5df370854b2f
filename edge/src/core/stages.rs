//! The steps of a frame's way, for those who measure them.

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Scaling and finding plates.
    Detect,
    /// Straightening and reading them.
    Read,
    /// Following and voting.
    Track,
}

/// Called at the end of each step. Time is not measured here: whoever listens brings the clock.
/// A frame's steps end in the order of [`Stage`]; [`StageHook::begin`] comes before them.
pub trait StageHook: std::fmt::Debug + Send {
    /// A frame begins.
    fn begin(&mut self);
    /// A step has ended.
    fn end(&mut self, stage: Stage);
}
