//! The table at the end.

use std::fmt::Write as _;

/// Which side of the bound is good.
#[derive(Clone, Copy)]
pub enum Better {
    /// At most the bound.
    Less,
    /// At least the bound.
    More,
}

/// One line: what was asked, what came out in each round.
pub struct Row {
    /// The goal, in words.
    pub goal: String,
    /// What must be reached and what is aimed at; `None`: told, not judged.
    pub bounds: Option<(f64, f64)>,
    /// Which side is good.
    pub better: Better,
    /// Behind each number: `ms`, `%` …
    pub unit: &'static str,
    /// One figure a round.
    pub rounds: Vec<f64>,
}

impl Row {
    /// A goal that is met from below.
    pub fn at_most(goal: impl Into<String>, must: f64, aim: f64, unit: &'static str, rounds: Vec<f64>) -> Row {
        Row { goal: goal.into(), bounds: Some((must, aim)), better: Better::Less, unit, rounds }
    }

    /// A goal that is met from above.
    pub fn at_least(goal: impl Into<String>, must: f64, aim: f64, unit: &'static str, rounds: Vec<f64>) -> Row {
        Row { goal: goal.into(), bounds: Some((must, aim)), better: Better::More, unit, rounds }
    }

    /// A figure that explains another.
    pub fn told(goal: impl Into<String>, unit: &'static str, rounds: Vec<f64>) -> Row {
        Row { goal: goal.into(), bounds: None, better: Better::Less, unit, rounds }
    }

    fn median(&self) -> f64 {
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        let half = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            n if n % 2 == 1 => sorted[half],
            _ => f64::midpoint(sorted[half - 1], sorted[half]),
        }
    }

    /// Whether the median reaches what must be reached; a figure that is only told always does.
    pub fn passes(&self) -> bool {
        self.bounds.is_none_or(|(must, _)| self.reaches(must))
    }

    fn reaches(&self, bound: f64) -> bool {
        match self.better {
            Better::Less => self.median() <= bound,
            Better::More => self.median() >= bound,
        }
    }

    /// The line.
    pub fn line(&self) -> String {
        let low = self.rounds.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.rounds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sign = match self.better {
            Better::Less => "≤",
            Better::More => "≥",
        };
        let (must, aim, verdict) = match self.bounds {
            None => (String::new(), String::new(), ""),
            Some((must, aim)) => {
                let verdict = match (self.passes(), self.reaches(aim)) {
                    (true, true) => "aim",
                    (true, false) => "pass",
                    (false, _) => "FAIL",
                };
                (format!("{sign} {}", short(must)), format!("{sign} {}", short(aim)), verdict)
            }
        };
        let mut line = String::new();
        write!(
            line,
            "{:<66} {must:>8} {aim:>8} {:>9} {:<20} {verdict}",
            self.goal,
            format!("{}{}", short(self.median()), self.unit),
            format!("({}–{})", short(low), short(high)),
        )
        .expect("a String takes everything");
        line
    }
}

/// The head of the table.
pub fn head() -> String {
    format!("{:<66} {:>8} {:>8} {:>9} {:<20}", "goal", "must", "aim", "median", "(min–max)")
}

fn short(x: f64) -> String {
    match x.abs() {
        big if big >= 100.0 => format!("{x:.0}"),
        middle if middle >= 10.0 => format!("{x:.1}"),
        _ => format!("{x:.2}"),
    }
}
