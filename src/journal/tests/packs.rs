//! Chunks are known exactly as long as a pack holds them.

use super::*;
use crate::model::StorageClass;

fn pack(number: u8) -> PackContents {
    let first = u64::from(number) * 10;
    let frame =
        |at: u64| FrameRow { chunk: chunk(first + at), kind: at as u8, offset: at * 100, len: 90, raw_len: 500 };
    let member =
        |at: u64| MemberRow { file: file(first + at), bundle: chunk(first + 1), offset: at as u32 * 7, len: 7 };
    PackContents {
        pack: PackRow {
            hash: object(number),
            kind: if number.is_multiple_of(2) { PackKind::Data } else { PackKind::Tree },
            size: 12_345,
            class: StorageClass::GlacierIr,
            spool_path: Some(format!("/spool/{number}").into()),
        },
        frames: (0..3).map(frame).collect(),
        members: (0..4).map(member).collect(),
    }
}

fn spool(journal: &Journal, pack: &PackContents) {
    journal.pack_spooled(&pack.pack, &pack.frames, &pack.members).unwrap();
}

/// As it comes back once the spool file is gone.
fn without_spool(mut pack: PackContents) -> PackContents {
    pack.pack.spool_path = None;
    pack
}

/// Where the journal has a chunk; in the target rather than in the spool.
#[derive(PartialEq, Debug)]
struct Location {
    pack: ObjectHash,
    kind: PackKind,
    offset: u64,
    len: u32,
    raw_len: u32,
    durable: bool,
}

impl Bench {
    fn location(&self, chunk: &ChunkId) -> Location {
        let sql = "SELECT packs.hash, packs.kind, chunks.offset, chunks.len, chunks.raw_len, packs.state <> 'spooled' AS durable
                   FROM chunks JOIN packs ON packs.key = chunks.pack
                   WHERE chunks.id = ?1 ORDER BY durable DESC LIMIT 1";
        let from_row = |row: &rusqlite::Row<'_>| {
            Ok(Location {
                pack: row.get(0)?,
                kind: row.get(1)?,
                offset: row.get(2)?,
                len: row.get(3)?,
                raw_len: row.get(4)?,
                durable: row.get(5)?,
            })
        };
        self.journal
            .read("look for a chunk's place", |connection| Ok(connection.query_row(sql, [chunk], from_row)?))
            .unwrap()
    }
}

#[test]
fn a_pack_goes_from_the_spool_to_the_target_to_an_index() {
    let bench = Bench::new();
    let journal = &bench.journal;
    spool(journal, &pack(1));
    spool(journal, &pack(2));
    assert_eq!(journal.packs_spooled().unwrap(), [pack(1).pack, pack(2).pack]);
    assert_eq!(journal.packs_unindexed().unwrap(), []);
    journal.pack_durable(&object(2)).unwrap();
    assert_eq!(journal.packs_spooled().unwrap(), [pack(1).pack]);
    assert_eq!(journal.packs_unindexed().unwrap(), [without_spool(pack(2))]);
    journal.packs_indexed(&object(200), &[object(2)]).unwrap();
    assert_eq!(journal.packs_unindexed().unwrap(), []);
    assert!(journal.index_known(&object(200)).unwrap() && !journal.index_known(&object(201)).unwrap());
    // repeated after a crash
    journal.pack_durable(&object(2)).unwrap();
    journal.packs_indexed(&object(200), &[object(2)]).unwrap();
    spool(journal, &pack(2));
    assert_eq!(journal.packs_unindexed().unwrap(), []);
    assert_eq!(journal.packs_spooled().unwrap(), [pack(1).pack]);
}

#[test]
fn what_is_only_spooled_cannot_be_marked_indexed() {
    let bench = Bench::new();
    spool(&bench.journal, &pack(1));
    assert!(matches!(bench.journal.packs_indexed(&object(9), &[object(1)]), Err(JournalError::UnknownPack { .. })));
    assert!(!bench.journal.index_known(&object(9)).unwrap());
    assert!(matches!(bench.journal.pack_durable(&object(5)), Err(JournalError::UnknownPack { .. })));
}

#[test]
fn chunks_and_small_files_are_found_by_their_ids() {
    let bench = Bench::new();
    let journal = &bench.journal;
    spool(journal, &pack(1));
    assert!(journal.chunk_known(&chunk(12)).unwrap() && !journal.chunk_known(&chunk(13)).unwrap());
    assert_eq!(journal.member(&file(12), 7).unwrap(), Some((chunk(11), 14)));
    assert_eq!(journal.member(&file(12), 8).unwrap(), None);
    assert_eq!(journal.member(&file(99), 7).unwrap(), None);
    let expected =
        Location { pack: object(1), kind: PackKind::Tree, offset: 200, len: 90, raw_len: 500, durable: false };
    assert_eq!(bench.location(&chunk(12)), expected);
}

#[test]
fn a_forgotten_pack_takes_its_chunks_along_but_not_those_of_others() {
    let bench = Bench::new();
    let journal = &bench.journal;
    let mut twin = pack(2);
    twin.frames.push(pack(1).frames[0]);
    spool(journal, &pack(1));
    spool(journal, &twin);
    journal.pack_durable(&object(2)).unwrap();
    assert!(bench.location(&chunk(10)).durable);
    journal.forget_pack(&object(1)).unwrap();
    assert_eq!(bench.location(&chunk(10)).pack, object(2));
    assert!(!journal.chunk_known(&chunk(11)).unwrap());
    assert_eq!(journal.member(&file(11), 7).unwrap(), None);
    assert_eq!(journal.packs_spooled().unwrap(), []);
}

/// A value that changed on the disk behind SQLite's back stands in the table or in its index, never in both.
#[test]
fn what_the_table_and_its_index_say_differently_is_not_believed() {
    for (index, change) in [
        ("members_by_file", "UPDATE members SET offset = 15 WHERE offset = 14"),
        ("chunks_by_id", "UPDATE chunks SET id = zeroblob(32)"),
    ] {
        let bench = Bench::new();
        spool(&bench.journal, &pack(1));
        assert_eq!(bench.journal.member(&file(12), 7).unwrap(), Some((chunk(11), 14)));
        let Bench { dir, journal } = bench;
        drop(journal);
        let connection = rusqlite::Connection::open(dir.path().join("journal.db")).unwrap();
        let schema = "PRAGMA writable_schema = ON;
                      CREATE TEMP TABLE kept AS SELECT * FROM sqlite_schema WHERE name = 'NAME';
                      DELETE FROM sqlite_schema WHERE name = 'NAME';
                      PRAGMA writable_schema = RESET;";
        connection.execute_batch(&schema.replace("NAME", index)).unwrap();
        connection.execute_batch(change).unwrap();
        let back = "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema SELECT * FROM kept; PRAGMA writable_schema = RESET;";
        connection.execute_batch(back).unwrap();
        drop(connection);
        let journal = Journal::open(dir.path()).unwrap();
        assert_eq!(journal.member(&file(12), 7).unwrap(), None, "{index}");
    }
}

#[test]
fn a_member_of_a_bundle_that_is_not_in_the_pack_stores_nothing() {
    let bench = Bench::new();
    let mut bad = pack(1);
    bad.members[2].bundle = chunk(999);
    let error = bench.journal.pack_spooled(&bad.pack, &bad.frames, &bad.members).unwrap_err();
    assert!(matches!(error, JournalError::UnknownBundle { .. }), "{error}");
    assert_eq!(bench.journal.packs_spooled().unwrap(), []);
    assert!(!bench.journal.chunk_known(&chunk(10)).unwrap());
}

#[test]
fn an_index_of_the_target_makes_its_content_known_again() {
    let bench = Bench::new();
    let journal = &bench.journal;
    spool(journal, &pack(2));
    journal.pack_durable(&object(2)).unwrap();
    let listed = [without_spool(pack(1)), without_spool(pack(2))];
    for _ in 0..2 {
        journal.import_index(&object(100), &listed).unwrap();
        assert!(journal.index_known(&object(100)).unwrap());
        assert!(bench.location(&chunk(12)).durable);
        assert_eq!(journal.member(&file(13), 7).unwrap(), Some((chunk(11), 21)));
        assert_eq!(journal.packs_unindexed().unwrap(), []);
        assert_eq!(journal.packs_spooled().unwrap(), []);
    }
}

#[test]
fn lost_packs_are_forgotten_and_no_root_is_trusted_until_it_was_read_whole() {
    let bench = Bench::new();
    let journal = &bench.journal;
    let pack =
        PackRow { hash: object(1), kind: PackKind::Data, size: 10, class: StorageClass::default(), spool_path: None };
    let frame = FrameRow { chunk: chunk(5), kind: 1, offset: 0, len: 5, raw_len: 5 };
    journal.pack_spooled(&pack, &[frame], &[]).unwrap();
    bench.has_tree(&[(1, b"one")]);
    journal.set_recovery_point("home", Some(15)).unwrap();
    assert_eq!(journal.lose_packs(&[object(9)], 20).unwrap(), 0);
    assert!(journal.distrust("home").unwrap().is_none(), "a pack that nobody knew changes nothing");
    assert_eq!(journal.lose_packs(&[object(1), object(9)], 20).unwrap(), 1);
    let state = journal.root_state("home").unwrap();
    assert!(!journal.chunk_known(&chunk(5)).unwrap() && state.audit.is_some());
    assert!(state.tree.is_some() && journal.distrust("home").unwrap() == Some(Distrust::Unread));
    assert_eq!(state.recovery_point_ms, None, "what was safe may not be so any more");
    assert!(state.last_audit_ms.is_some(), "it was stored: an empty folder in its place is a question");
}
