//! Large numbers, to be timed by hand: `cargo test --release -- --ignored speed --nocapture`.

use std::time::Instant;

use super::*;
use crate::model::StorageClass;

#[test]
#[ignore = "a measurement"]
fn speed_of_36_000_members_and_entries() {
    let bench = Bench::new();
    let journal = &bench.journal;
    let lookups = Instant::now();
    assert!((0..36_000).all(|number| journal.member(&file(number), 7).unwrap().is_none()));
    eprintln!("36,000 lookups that find nothing: {:?}", lookups.elapsed());
    let inserts = Instant::now();
    for pack in 0..20u8 {
        let bundles = (0..15).map(|at| u64::from(pack) * 15 + at).map(chunk).collect::<Vec<_>>();
        let frames: Vec<_> = (0u64..).zip(&bundles).map(|(at, bundle)| frame(*bundle, at)).collect();
        let member = |at: u64| MemberRow {
            file: file(u64::from(pack) * 1800 + at),
            bundle: bundles[(at / 120) as usize],
            offset: (at % 120) as u32 * 7,
            len: 7,
        };
        let members: Vec<_> = (0..1800).map(member).collect();
        let row = PackRow {
            hash: object(pack),
            kind: PackKind::Data,
            size: 1,
            class: StorageClass::Standard,
            spool_path: None,
        };
        journal.pack_spooled(&row, &frames, &members).unwrap();
    }
    eprintln!("36,000 members in 20 packs: {:?}", inserts.elapsed());
    let lookups = Instant::now();
    assert!((0..36_000).all(|number| journal.member(&file(number), 7).unwrap().is_some()));
    eprintln!("36,000 lookups that find: {:?}", lookups.elapsed());
    let staging = Instant::now();
    for page in 0..36 {
        let entry = |at| StagedEntry {
            dir: path(&format!("usr/share/doc/package-{page}")),
            name: format!("file-{at}").into_bytes(),
            entry: Some(vec![7; 200]),
        };
        journal.stage("home", &(0..1000).map(entry).collect::<Vec<_>>()).unwrap();
    }
    eprintln!("36,000 staged: {:?}", staging.elapsed());
}

fn frame(chunk: ChunkId, at: u64) -> FrameRow {
    FrameRow { chunk, kind: 1, offset: at * 1_000_000, len: 999_999, raw_len: 1_000_000 }
}
