//! How fast a command may send and read: what its flags say, else the configuration.

use super::context::Context;
use crate::clock::Zone;
use crate::config::{LimitsConfig, Rate};
use crate::model::Rates;
use crate::store::Limiter;

/// What flags say; `None`: as the configuration has it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    pub(super) upload: Option<Rate>,
    pub(super) download: Option<Rate>,
}

/// What holds at each time of day; nothing is sent any more once the command is to stop.
pub(super) fn limiter(limits: LimitsConfig, flags: Flags, context: &Context) -> Limiter {
    let zone = Zone::local();
    let rates = move |now| flags.over(limits.at(zone.minute_of_day(now).0));
    Limiter::stopped_by(context.stop.clone(), context.clock.clone(), rates)
}

impl Flags {
    fn over(self, usual: Rates) -> Rates {
        let pick = |flag: Option<Rate>, usual| flag.map_or(usual, |Rate(rate)| rate);
        Rates { upload: pick(self.upload, usual.upload), download: pick(self.download, usual.download) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_counts_more_than_the_configuration_for_its_direction_alone() {
        let usual = Rates { upload: Some(1), download: Some(2) };
        let flags = |upload, download| Flags { upload, download }.over(usual);
        assert_eq!(flags(None, None), usual);
        assert_eq!(flags(Some(Rate(Some(7))), None), Rates { upload: Some(7), ..usual });
        assert_eq!(flags(None, Some(Rate(None))), Rates { download: None, ..usual });
    }
}
