//! Faults that a test orders: what happens to which request.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Fault {
    /// The request is read and the connection closed: nothing happened.
    DropRequest,
    /// Everything happened, but the connection is closed instead of the answer.
    DropAnswer,
    Delay {
        milliseconds: u64,
    },
    /// Answered at once with this error, without an effect: SlowDown, InternalError, ConditionalRequestConflict, …
    Refuse {
        status: u16,
        code: String,
    },
    /// The answer of a gateway whose store is away: a page for people, and nothing of S3.
    Gateway {
        status: u16,
    },
    /// Status 200 and an error in the body, as a long Complete or Copy may answer.
    ErrorIn200 {
        code: String,
        after_effect: bool,
    },
    /// Half of the answer's body, then the connection is closed.
    TruncateAnswer,
    /// Half of the answer's body, then nothing for ever.
    StallAnswer,
    /// Nothing is read and nothing is answered.
    Stall,
    /// Everything happened and nothing is answered, until the client goes away.
    HoldAnswer,
    /// Everything happened and nothing is answered until the faults are cleared.
    HoldUntilCleared,
    /// One bit of the request's body is another one when it arrives.
    FlipRequest,
    FlipAnswer,
    /// Somebody else aborts the upload just before this request.
    AbortUpload,
    /// The server has lost all parts of the upload.
    LoseParts,
}

impl Fault {
    pub fn refuse(status: u16, code: &str) -> Self {
        Fault::Refuse { status, code: code.to_owned() }
    }

    pub fn slow_down() -> Self {
        Self::refuse(503, "SlowDown")
    }

    pub fn internal_error() -> Self {
        Self::refuse(500, "InternalError")
    }

    /// For the counts: the name of the variant.
    pub fn name(&self) -> &'static str {
        match self {
            Fault::DropRequest => "DropRequest",
            Fault::DropAnswer => "DropAnswer",
            Fault::Delay { .. } => "Delay",
            Fault::Refuse { .. } => "Refuse",
            Fault::Gateway { .. } => "Gateway",
            Fault::ErrorIn200 { .. } => "ErrorIn200",
            Fault::TruncateAnswer => "TruncateAnswer",
            Fault::StallAnswer => "StallAnswer",
            Fault::Stall => "Stall",
            Fault::HoldAnswer => "HoldAnswer",
            Fault::HoldUntilCleared => "HoldUntilCleared",
            Fault::FlipRequest => "FlipRequest",
            Fault::FlipAnswer => "FlipAnswer",
            Fault::AbortUpload => "AbortUpload",
            Fault::LoseParts => "LoseParts",
        }
    }
}

/// Which of the requests that fit, counted from the time when the rule was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum When {
    /// The one with this number, from 1.
    Nth(u64),
    /// All up to this number.
    First(u64),
    Always,
    /// So many of 100, repeatable.
    Chance {
        percent: u64,
        seed: u64,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// `PutObject`, or `*`
    pub operation: String,
    /// Only objects whose `bucket/key` contains this.
    #[serde(default)]
    pub object: String,
    pub when: When,
    pub fault: Fault,
}

impl Rule {
    pub fn new(operation: &str, when: When, fault: Fault) -> Self {
        Self { operation: operation.to_owned(), object: String::new(), when, fault }
    }

    pub fn on(self, object: &str) -> Self {
        Self { object: object.to_owned(), ..self }
    }

    fn fits(&self, operation: &str, object: &str) -> bool {
        (self.operation == "*" || self.operation == operation) && object.contains(&self.object)
    }

    fn strikes(&self, nth: u64) -> bool {
        match self.when {
            When::Nth(wanted) => nth == wanted,
            When::First(count) => nth <= count,
            When::Always => true,
            When::Chance { percent, seed } => mixed(seed.wrapping_add(nth)) % 100 < percent,
        }
    }
}

/// splitmix64: the same for the same seed and request.
fn mixed(at: u64) -> u64 {
    let mixed = at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The rules, each with the number of requests that it has seen.
#[derive(Default)]
pub struct Faults(Vec<(Rule, u64)>);

impl Faults {
    pub fn add(&mut self, rule: Rule) {
        self.0.push((rule, 0));
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Every rule that fits counts the request; the first that strikes decides.
    pub fn choose(&mut self, operation: &str, object: &str) -> Option<Fault> {
        let mut chosen = None;
        for (rule, seen) in self.0.iter_mut().filter(|(rule, _)| rule.fits(operation, object)) {
            *seen += 1;
            if chosen.is_none() && rule.strikes(*seen) {
                chosen = Some(rule.fault.clone());
            }
        }
        chosen
    }
}
