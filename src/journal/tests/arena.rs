//! Small packs wait, are merged, and count as superseded exactly as long as the merged one is there.

use super::*;
use crate::model::StorageClass;

fn pack(number: u8, chunks: &[u64], class: StorageClass) -> PackContents {
    let frame = |(at, number): (usize, &u64)| FrameRow {
        chunk: chunk(*number),
        kind: 1,
        offset: 300 + at as u64 * 90,
        len: 90,
        raw_len: 500,
    };
    let member = |number: &u64| MemberRow { file: file(*number), bundle: chunk(*number), offset: 0, len: 500 };
    PackContents {
        pack: PackRow { hash: object(number), kind: PackKind::Data, size: 1000, class, spool_path: None },
        frames: chunks.iter().enumerate().map(frame).collect(),
        members: chunks.iter().map(member).collect(),
    }
}

fn small(number: u8, chunks: &[u64]) -> PackContents {
    pack(number, chunks, StorageClass::Standard)
}

fn archived(number: u8, chunks: &[u64]) -> PackContents {
    pack(number, chunks, StorageClass::DeepArchive)
}

impl Bench {
    /// Two packs wait.
    fn with_an_arena() -> Self {
        let bench = Self::new();
        for (number, since_ms) in [(1, 20), (2, 10)] {
            let PackContents { pack, frames, members } = small(number, &[u64::from(number), 50 + u64::from(number)]);
            bench.journal.pack_spooled(&pack, &frames, &members).unwrap();
            assert_eq!(bench.waiting().len(), usize::from(number) - 1, "not in the target yet");
            bench.journal.arena_add(&pack.hash, StorageClass::DeepArchive, since_ms).unwrap();
            bench.journal.arena_add(&pack.hash, StorageClass::Glacier, 99).unwrap();
            bench.journal.pack_durable(&pack.hash).unwrap();
        }
        bench
    }

    fn merge(&self) {
        let PackContents { pack, frames, members } = archived(9, &[2, 52, 1, 51]);
        self.journal.pack_merged(&pack, &frames, &members, &[object(2), object(1)]).unwrap();
    }

    fn waiting(&self) -> Vec<(ObjectHash, i64)> {
        let waiting = self.journal.arena_waiting().unwrap();
        assert!(waiting.iter().all(|pack| (pack.class, pack.size, pack.rows) == (StorageClass::DeepArchive, 1000, 4)));
        waiting.iter().map(|pack| (pack.hash, pack.since_ms)).collect()
    }

    fn bytes(&self) -> u64 {
        StorageClass::ALL.into_iter().map(|class| self.journal.arena_bytes(class).unwrap()).sum()
    }

    fn superseded(&self) -> Vec<ObjectHash> {
        let mut packs = self.journal.packs_superseded().unwrap();
        packs.sort();
        packs
    }
}

#[test]
fn packs_wait_until_the_one_that_they_were_merged_into_is_indexed() {
    let mut bench = Bench::with_an_arena();
    let both = [(object(2), 10), (object(1), 20)];
    assert_eq!(bench.waiting(), both, "the oldest first");
    assert_eq!(bench.journal.pack_contents(&object(1)).unwrap(), Some(small(1, &[1, 51])));
    assert_eq!(bench.journal.pack_contents(&object(7)).unwrap(), None);
    bench.merge();
    bench.merge();
    for _ in 0..2 {
        assert_eq!((bench.waiting(), bench.journal.arena_settle().unwrap(), bench.superseded()), (vec![], 0, vec![]));
        assert_eq!((bench.journal.arena_packs().unwrap().len(), bench.bytes()), (2, 2000));
        bench = bench.reopened();
        bench.journal.pack_durable(&object(9)).unwrap();
    }
    bench.journal.packs_indexed(&object(100), &[object(9)]).unwrap();
    assert_eq!((bench.journal.arena_settle().unwrap(), bench.journal.arena_settle().unwrap()), (2, 0));
    assert_eq!(bench.superseded(), [object(1), object(2)]);
    assert_eq!((bench.journal.arena_packs().unwrap().len(), bench.bytes()), (0, 0));
}

#[test]
fn a_merged_pack_that_is_lost_gives_back_what_it_was_made_of() {
    let bench = Bench::with_an_arena();
    bench.merge();
    bench.journal.forget_pack(&object(9)).unwrap();
    assert_eq!(bench.waiting().len(), 2);
    bench.merge();
    bench.journal.pack_durable(&object(9)).unwrap();
    bench.journal.packs_indexed(&object(100), &[object(9)]).unwrap();
    bench.journal.arena_settle().unwrap();
    // the target has lost it afterwards: the small ones are what there is
    assert_eq!(bench.journal.lose_packs(&[object(9)], 5).unwrap(), 1);
    assert_eq!((bench.superseded(), bench.waiting()), (vec![], vec![]));
    assert!(bench.journal.chunk_known(&chunk(52)).unwrap());
}

#[test]
fn a_copy_that_is_forgotten_or_whose_pack_is_does_not_wait() {
    let bench = Bench::with_an_arena();
    bench.journal.arena_forget(&object(1)).unwrap();
    assert_eq!(bench.waiting(), [(object(2), 10)]);
    assert!(bench.journal.chunk_known(&chunk(51)).unwrap(), "the pack is in the target all the same");
    bench.journal.forget_pack(&object(2)).unwrap();
    assert_eq!((bench.waiting(), bench.journal.arena_packs().unwrap().len()), (vec![], 0));
}

#[test]
fn what_was_merged_is_found_again_in_what_the_target_lists() {
    let bench = Bench::new();
    let listed = [
        small(1, &[1, 51]),
        small(2, &[2, 52]),
        // half of it is nowhere else
        small(3, &[1, 3]),
        // in two archived packs, in none of them whole
        small(4, &[2, 70]),
        archived(8, &[70]),
        archived(9, &[2, 52, 1, 51]),
        // archives are not compared with each other
        archived(10, &[2]),
    ];
    bench.journal.import_index(&object(100), &listed).unwrap();
    assert_eq!(bench.journal.find_superseded().unwrap(), 2);
    assert_eq!(bench.superseded(), [object(1), object(2)]);
    assert_eq!(bench.journal.find_superseded().unwrap(), 0);
    bench.journal.lose_packs(&[object(9)], 5).unwrap();
    assert_eq!(bench.superseded(), []);
}
