//! Slices of reading, on a clock whose time has always passed.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::agent::BackupOptions;
use super::bundle::{BUNDLE, Batch, SMALL_FILE};
use super::deadline::Deadline;
use super::feed::Unread;
use super::packer::Packed;
use super::pipeline::{Flow, Work, queue};
use super::placement::Placement;
use super::progress::Progress;
use super::reader::Reader;
use crate::chunk::{ChunkLimits, Chunker};
use crate::clock::Clock;
use crate::config::exclude::{ExcludeConfig, Rules};
use crate::crypto::{MachineKeys, RecoverySecret};
use crate::model::{ChunkId, RepoId, StorageClass, Timestamp};
use crate::scan::{Found, ReadJob, Scan, ScanOptions, Target};
use crate::seal::{ChunkIds, FrameKind};
use crate::source::{Names, View};
use crate::tree::{NodeSource, TreeReader};

struct NoNodes;

impl NodeSource for NoNodes {
    type Error = String;
    fn node(&self, id: &ChunkId) -> Result<Vec<u8>, String> {
        Err(format!("no node {id}"))
    }
}

fn jobs(view: &View) -> Vec<ReadJob> {
    let options = ScanOptions {
        rules: Rules::compile(&ExcludeConfig::default()).unwrap(),
        own: Default::default(),
        own_paths: Default::default(),
        read_all: false,
        cut_before: None,
    };
    let mut scan = Scan::new(view, TreeReader::new(NoNodes, None), options, Target::everything()).unwrap();
    let mut jobs = Vec::new();
    let mut sink = |found| {
        if let Found::Read(job) = found {
            jobs.push(job);
        }
        true
    };
    while scan.step(&mut sink).unwrap() {}
    jobs
}

/// What a slice handed over: names of files that are whole, and chunks of large ones by their numbers.
#[derive(Default, Debug, PartialEq, Eq)]
struct Given {
    whole: Vec<String>,
    chunks: BTreeMap<String, Vec<usize>>,
}

fn given(work: Receiver<Work>) -> Given {
    let mut given = Given::default();
    let name = |name: &[u8]| String::from_utf8(name.to_vec()).unwrap();
    for work in work {
        match work {
            Work::Small(batch) => given.whole.extend(batch.files.iter().map(|file| name(&file.key.name))),
            Work::Chunk(_, chunk) => given.chunks.entry(name(&chunk.file.key.name)).or_default().push(chunk.at),
            Work::End { file, .. } => given.whole.push(name(&file.key.name)),
        }
    }
    given
}

/// Slices until nothing is left, each with no time at all.
fn slices(view: &View) -> Vec<Given> {
    let (clock, _) = Clock::manual(Timestamp::new(0, 0));
    let limits = ChunkLimits { min: 64 << 10, average: 128 << 10, max: 256 << 10 };
    let keys = MachineKeys::generate(&RecoverySecret::generate(), RepoId([7; 16]), 1);
    let (stop, progress) = (AtomicBool::new(false), Progress::default());
    let (packed, _packed) = queue::<Packed>(10_000);
    let flow = Flow::new("root", &stop, packed);
    let mut unread = Unread { half: None, jobs: jobs(view).into() };
    let mut slices = Vec::new();
    while unread.half.is_some() || !unread.jobs.is_empty() {
        let ((work, given_work), (sender, receiver)) = (queue(10_000), queue(10_000));
        let reader = Reader {
            chunker: Chunker::new(keys.chunker.gear_table(), limits),
            lanes: ChunkIds::new(&keys.id).lanes(FrameKind::Content),
            flow: &flow,
            work,
            progress: &progress,
            clock: clock.clone(),
            deadline: Deadline::after(&clock, Duration::ZERO),
            frozen_at: None,
            names: Names::new(),
            batch: Batch::new(),
            placement: Placement::new(StorageClass::Standard, &BackupOptions::default()),
            files: 0,
            has_read: false,
        };
        unread.jobs.drain(..).for_each(|job| sender.send(job).unwrap());
        drop(sender);
        unread = reader.run(unread.half.take(), receiver).unwrap();
        slices.push(given(given_work));
        assert!(slices.len() < 100, "it never ends");
    }
    assert_eq!(progress.files_read.load(Ordering::Relaxed), jobs(view).len() as u64);
    slices
}

#[test]
fn a_large_file_goes_on_where_its_slice_ended_and_no_slice_reads_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for (name, size) in [("a", 2 << 20), ("b", 100), ("c", 3 << 20), ("d", 100), ("e", SMALL_FILE as usize + 1)] {
        let bytes: Vec<u8> = (0..size as u32).flat_map(|at| at.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect();
        fs::write(dir.path().join(name), &bytes[..size]).unwrap();
    }
    let slices = slices(&View::live(dir.path()).unwrap());
    let whole: Vec<Vec<&str>> = slices.iter().map(|slice| slice.whole.iter().map(String::as_str).collect()).collect();
    // what is small is gathered: it costs a slice no time
    assert_eq!(whole[..4], [vec![], vec!["a"], vec!["b"], vec!["c"]]);
    // where the boundaries lie, which no two keys put alike, says whether the last one is cut off too
    let mut last = whole[4..].concat();
    last.sort_unstable();
    assert_eq!(last, ["d", "e"]);
    for name in ["a", "c"] {
        let mut numbers: Vec<usize> =
            slices.iter().filter_map(|slice| slice.chunks.get(name)).flatten().copied().collect();
        // those whose ids are made together end in any order
        numbers.sort_unstable();
        assert!(numbers.len() > 8, "{name}: {numbers:?}");
        assert!(numbers.iter().copied().eq(0..numbers.len()), "each chunk once: {numbers:?}");
    }
}

#[test]
fn many_small_files_end_a_slice_with_each_bundle() {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..40 {
        fs::write(dir.path().join(format!("{i:02}")), vec![i; BUNDLE / 8]).unwrap();
    }
    let slices = slices(&View::live(dir.path()).unwrap());
    assert_eq!(slices.iter().map(|slice| slice.whole.len()).collect::<Vec<_>>(), [8; 5]);
    let names: Vec<String> = slices.into_iter().flat_map(|slice| slice.whole).collect();
    assert!(
        names.iter().map(String::as_str).eq((0..40).map(|i| format!("{i:02}")).collect::<Vec<_>>().iter()),
        "in order"
    );
}
