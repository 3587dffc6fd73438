//! What may change again without leaving a trace.

use crate::model::{Entry, EntryFlags, Timestamp};

/// As long as the coarsest clocks of filesystems take for a tick.
const RACY_SECS: i64 = 2;

/// An entry whose ctime is so near to its reading may change again within the same tick of its filesystem's clock: it is looked at
/// again. `read_at`: when reading began, or when the view was frozen.
pub(super) fn mark_racy(entry: &mut Entry, read_at: Timestamp) {
    if entry.ctime.secs >= read_at.secs - RACY_SECS {
        entry.flags = entry.flags.with(EntryFlags::RACY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_shortly_before_it_was_read_or_after_it_is_marked() {
        let is_marked = |changed: i64| {
            let mut entry = Entry { ctime: Timestamp::new(changed, 0), ..Entry::test_dir() };
            mark_racy(&mut entry, Timestamp::new(100, 999_999_999));
            entry.flags.has(EntryFlags::RACY)
        };
        assert_eq!([97, 98, 100, 101, 500].map(is_marked), [false, true, true, true, true]);
    }
}
