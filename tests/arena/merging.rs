//! When packs wait, when they are merged, and what happens when a part of that is lost.

use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use rozen::check::{self, CheckOptions, CheckProgress};
use rozen::model::{MergeRule, ProblemCode, StorageClass};
use rozen::repo::Repository;
use rozen::store::{Moment, Verb};
use rustix::io::Errno;

use crate::lab::{Lab, SMALL};

#[test]
fn small_runs_gather_and_become_one_pack() {
    let mut lab = Lab::new();
    for waits in 1..10 {
        assert_eq!(lab.small_run().merged, []);
        assert_eq!((lab.waiting().len(), lab.copies().len(), lab.packs().len()), (waits, waits, waits));
    }
    assert!(lab.waiting().iter().all(|pack| pack.class == StorageClass::DeepArchive));
    lab.assert_restores();

    let merged = lab.small_run().merged;
    assert_eq!((merged.len(), merged[0].class, merged[0].packs), (1, StorageClass::DeepArchive, 10));
    assert_eq!((lab.waiting(), lab.copies()), (vec![], vec![]));
    assert_eq!(lab.packs().len(), 11, "nothing is deleted");
    assert!(lab.packs().contains(&merged[0].bytes));
    let repository = Repository::open(lab.target.clone(), &lab.secret).unwrap();
    let report = check::run(&repository, CheckOptions { read_data: 100 }, &CheckProgress::default()).unwrap();
    assert!(report.is_clean(), "{report:?}");

    // it goes on, from nothing
    lab.small_run();
    assert_eq!((lab.waiting().len(), lab.packs().len()), (1, 12));
    lab.assert_restores();
}

#[test]
fn a_merged_pack_stands_in_for_all_that_it_was_made_of() {
    let mut lab = Lab::new();
    (0..10).for_each(|_| drop(lab.small_run()));
    let superseded = lab.journal().packs_superseded().unwrap();
    assert_eq!(superseded.len(), 10);
    lab.remove(&superseded);
    lab.assert_restores();
    // what is gone is missed by nobody: no folder is read again for it
    let journal = lab.journal();
    assert_eq!(journal.lose_packs(&superseded, 1).unwrap(), 0);
    assert!(journal.root_state("root").unwrap().tree.is_some());
    drop(journal);
    assert_eq!(lab.run().snapshot, None);
    lab.assert_restores();
}

#[test]
fn packs_that_wait_long_are_merged_when_they_are_worth_it() {
    let mut lab = Lab::new();
    lab.small_run();
    lab.small_run();
    lab.time.advance(Duration::from_secs(23 * 3600));
    assert_eq!(lab.run().merged, []);
    lab.time.advance(Duration::from_secs(3600));
    let report = lab.run();
    assert_eq!((report.merged.len(), report.merged[0].packs), (1, 2));
    assert_eq!(report.snapshot, None, "nothing has changed");
    lab.assert_restores();

    lab.write(100);
    lab.run();
    lab.time.advance(Duration::from_secs(48 * 3600));
    assert_eq!((lab.run().merged, lab.waiting().len()), (vec![], 1));
}

#[test]
fn packs_that_wait_for_a_full_pack_of_the_archive_become_one() {
    let mut lab = Lab::new();
    // the largest that the configuration takes
    lab.full = 4 * SMALL as u64;
    lab.merge = Some(MergeRule { at_bytes: lab.full, after: Duration::from_secs(24 * 3600) });
    let merged: Vec<_> = (0..12).flat_map(|_| lab.small_run().merged).collect();
    assert!(merged.len() >= 2 && merged.iter().all(|merge| merge.packs >= 3), "{merged:?}");
    assert!(lab.copies().len() <= 5, "{:?}", lab.copies());
    lab.assert_restores();
}

#[test]
fn a_copy_that_is_lost_or_damaged_leaves_its_pack_where_it_is() {
    let mut lab = Lab::new();
    (0..9).for_each(|_| drop(lab.small_run()));
    let copies = lab.copies();
    fs::remove_file(&copies[0]).unwrap();
    let mut bytes = fs::read(&copies[1]).unwrap();
    bytes[40_000] ^= 1;
    fs::write(&copies[1], bytes).unwrap();
    fs::write(&copies[2], "").unwrap();
    assert_eq!(lab.small_run().merged, [], "seven are not enough");
    assert_eq!(lab.waiting().len(), 7);
    lab.run();
    assert_eq!(lab.copies().len(), 7, "those that are of no use are removed");
    (0..2).for_each(|_| assert_eq!(lab.small_run().merged, []));
    assert_eq!(lab.small_run().merged[0].packs, 10);
    let superseded: HashSet<_> = lab.journal().packs_superseded().unwrap().into_iter().collect();
    assert_eq!((superseded.len(), lab.packs().len()), (10, 14));
    assert!(copies[..3].iter().all(|path| {
        let hash = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        !superseded.contains(&hash)
    }));
    lab.assert_restores();
}

#[test]
fn a_target_that_fails_a_merge_costs_no_snapshot_and_the_next_run_ends_it() {
    // the merged pack, then the index object that lists it
    for nth in [1, 2] {
        for moment in [Moment::Before, Moment::After] {
            let mut lab = Lab::new();
            (0..9).for_each(|_| drop(lab.small_run()));
            // content, tree, index object, manifest come first
            lab.faults.fail_nth(Verb::Put, 4 + nth, moment, Errno::CONNRESET);
            let report = lab.small_run();
            assert!(report.snapshot.is_some() && report.merged.is_empty(), "{nth} {moment:?}");
            assert_eq!(report.problems.len(), 1);
            assert_eq!(report.problems[0].code, ProblemCode::Target, "{:?}", report.problems);
            lab.assert_last_snapshot();
            lab.counted.reset();
            lab.run();
            assert_eq!((lab.waiting(), lab.copies(), lab.packs().len()), (vec![], vec![], 11), "{nth} {moment:?}");
            assert_eq!(lab.journal().packs_superseded().unwrap().len(), 10);
            lab.assert_restores();
        }
    }
}

#[test]
fn after_the_local_state_was_lost_packs_stay_as_they_are_and_new_ones_wait() {
    let mut lab = Lab::new();
    (0..5).for_each(|_| drop(lab.small_run()));
    fs::remove_dir_all(lab.state()).unwrap();
    lab.counted.reset();
    lab.run();
    assert_eq!((lab.waiting(), lab.packs().len()), (vec![], 5));
    (0..9).for_each(|_| assert_eq!(lab.small_run().merged, []));
    assert_eq!(lab.small_run().merged[0].packs, 10);
    lab.assert_restores();
}

#[test]
fn what_is_not_to_be_merged_is_not_kept() {
    let mut lab = Lab::new();
    lab.small_run();
    lab.merge = None;
    for _ in 0..10 {
        assert_eq!(lab.small_run().merged, []);
        assert_eq!((lab.waiting(), lab.copies()), (vec![], vec![]));
    }
    lab.assert_restores();
}

#[test]
fn small_files_are_known_by_the_merged_pack_alone() {
    let mut lab = Lab::new();
    (0..10).for_each(|_| drop(lab.small_run()));
    lab.remove(&lab.journal().packs_superseded().unwrap());
    fs::remove_dir_all(lab.state()).unwrap();
    lab.counted.reset();
    lab.run();
    let sent = lab.counted.counts(Verb::Put).bytes;
    assert!(sent < SMALL as u64, "{sent} bytes were sent of {}", 10 * SMALL);
    lab.assert_restores();
}
