//! How full Redis' memory is, as a level that does not flicker.

/// A level, by the share of `maxmemory` that is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// There is room.
    #[default]
    Calm,
    /// 80 %: a person should look.
    High,
    /// 90 %: unreadable webhooks are kept for a shorter time, and no run of replays begins or goes on.
    Tight,
    /// 95 %: nothing new is taken from shops; what is left is for what is owed already.
    Full,
}

/// Levels with the share at which each begins.
const MARKS: [(Level, f64); 3] = [(Level::Full, 0.95), (Level::Tight, 0.90), (Level::High, 0.80)];
/// A level ends so far below where it begins: what is freed at a mark must not open it for a moment.
const BELOW: f64 = 0.05;

impl Level {
    /// The word in measures and probes.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Calm => "calm",
            Level::High => "high",
            Level::Tight => "tight",
            Level::Full => "full",
        }
    }
}

/// The level after this one, at so full a memory (0 to 1).
pub fn level(before: Level, ratio: f64) -> Level {
    let reached = |(level, begins): &&(Level, f64)| ratio >= if *level <= before { begins - BELOW } else { *begins };
    MARKS.iter().find(reached).map_or(Level::Calm, |(level, _)| *level)
}
