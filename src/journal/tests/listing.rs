//! How roots are listed, through every end of a run.

use super::*;
use crate::model::{ListedRoot, RootTag, Timestamp};

const TAG: RootTag = RootTag([5; 16]);

fn listed(number: u64) -> ListedRoot {
    let recovery_point = Some(Timestamp::new(number as i64, 7_000_000));
    ListedRoot {
        tag: TAG,
        tree: Some(chunk(number)),
        entries: number,
        bytes: 10 * number,
        complete: true,
        recovery_point,
    }
}

/// A run that has announced its manifest.
fn announced(journal: &Journal, seq: u64) -> RunId {
    let run = journal.begin_run(&["home"], 10).unwrap();
    journal.announce_manifest(run.id, (Seq(seq), object(seq as u8)), &[listed(seq)]).unwrap();
    run.id
}

#[test]
fn what_an_announced_manifest_lists_counts_when_it_is_committed_however_that_is_found_out() {
    let bench = Bench::new();
    let journal = &bench.journal;
    assert_eq!(journal.listed_root(&TAG).unwrap(), None);
    let run = announced(journal, 1);
    assert_eq!(journal.listed_root(&TAG).unwrap(), None, "nobody knows yet whether it will be written");
    bench.finish(run, Some((Seq(1), object(1))), &["home"]);
    assert_eq!(journal.listed_root(&TAG).unwrap(), Some(listed(1)));
    let run = announced(journal, 2);
    journal.commit_partial(run, (Seq(2), object(2)), &[], "home").unwrap();
    assert_eq!(journal.listed_root(&TAG).unwrap(), Some(listed(2)));
    journal.fail_run(run, "x", 11).unwrap();
    let run = announced(journal, 3);
    journal.adopt_commit(run, 12).unwrap();
    assert_eq!(journal.listed_root(&TAG).unwrap(), Some(listed(3)));
    assert_eq!(journal.listed_root(&RootTag([6; 16])).unwrap(), None);
}

#[test]
fn a_manifest_that_was_announced_and_never_written_changes_nothing() {
    let bench = Bench::new();
    let run = announced(&bench.journal, 1);
    bench.finish(run, Some((Seq(1), object(1))), &["home"]);
    let run = announced(&bench.journal, 2);
    let bench = bench.reopened();
    bench.journal.fail_run(run, "x", 11).unwrap();
    assert_eq!(bench.journal.listed_root(&TAG).unwrap(), Some(listed(1)));
    // the number is used again, by a manifest that lists nothing
    let run = bench.journal.begin_run(&["home"], 12).unwrap();
    bench.journal.announce_manifest(run.id, (Seq(2), object(9)), &[]).unwrap();
    bench.finish(run.id, Some((Seq(2), object(9))), &["home"]);
    assert_eq!(bench.journal.listed_root(&TAG).unwrap(), None);
}

#[test]
fn a_root_is_listed_though_its_nodes_are_gone_or_it_is_not_known_yet() {
    let bench = Bench::new();
    let run = announced(&bench.journal, 1);
    bench.finish(run, Some((Seq(1), object(1))), &["home"]);
    bench.journal.drop_tree("home").unwrap();
    assert_eq!(bench.journal.listed_root(&TAG).unwrap(), Some(listed(1)));
    let dir = tempfile::tempdir().unwrap();
    let empty = Journal::open(dir.path()).unwrap();
    empty.adopt_head(Seq(9), object(9), &[listed(4)], 1).unwrap();
    assert_eq!(empty.listed_root(&TAG).unwrap(), Some(listed(4)));
}
