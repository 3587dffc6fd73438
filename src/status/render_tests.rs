//! Golden texts: what a person sees and what a program gets, from one value.

use super::*;
use crate::model::{ProblemCode, Seq, StorageClass};
use crate::status::{Coverage, PathText, SnapshotStatus};

/// 2026-11-21 05:00:00 UTC
const NOW: i64 = 1_795_237_200;

fn at(seconds_ago: i64) -> Timestamp {
    Timestamp::new(NOW - seconds_ago, 999_999_999)
}

fn root(id: &str, path: &[u8]) -> RootStatus {
    RootStatus {
        id: id.parse().unwrap(),
        path: PathText::from(path),
        state: RootState::Idle,
        recovery_point: Some(at(120)),
        up_to_date: true,
        coverage: Coverage { watched: 4003, total: 4003, doubts: vec![] },
        pending_hints: 0,
        last_snapshot: Some(SnapshotStatus { seq: Seq(17), time: at(120), partial: false }),
        last_audit: Some(at(7200)),
        entries: 12_345,
        bytes: 3_435_973_836,
        missed_by_watcher: 0,
        missed_by_last_audit: Some(0),
    }
}

fn calm() -> Status {
    Status {
        version: "0.1.0".into(),
        time: at(0),
        agent: Agent::Watching,
        repository: "file:///mnt/backup".into(),
        target: Target::Up,
        limits: Limits::default(),
        roots: vec![root("home", b"/home/ann")],
        last_run_cost: None,
        arena: vec![],
        last_merge: None,
        run: None,
        problems: vec![],
        more_problems: 0,
    }
}

/// Everything at once that may need a person.
fn troubled() -> Status {
    let mut status = calm();
    status.target =
        Target::Down { since: at(3600), next_try: Some(at(-60)), message: "connection refused".into(), gone: false };
    status.limits.upload = Some(500 << 10);
    status.roots[0].state = RootState::Settling { until: at(-8) };
    (status.roots[0].up_to_date, status.roots[0].pending_hints) = (false, 3);
    status.roots[0].coverage =
        Coverage { watched: 4000, total: 4003, doubts: vec!["3 folders are over the limit".into()] };
    status.roots[0].missed_by_watcher = 1;
    let mut photos = root("photos", b"/media/\xff\x1b[31m");
    photos.state = RootState::Unavailable { message: "No such file or directory".into() };
    photos.up_to_date = false;
    let mut new = root("new", b"/srv/new");
    (new.state, new.recovery_point, new.last_snapshot, new.up_to_date) = (RootState::Running, None, None, false);
    status.roots.extend([photos, new]);
    let (entries, bytes) = (Count { done: 12, total: Some(300) }, Count { done: 1 << 30, total: Some(4 << 30) });
    status.run = Some(RunStatus {
        reason: RunReason::First,
        roots: vec!["new".parse().unwrap()],
        started: at(60),
        phase: Phase::Storing,
        entries,
        bytes,
        bytes_per_second: Some(20 << 20),
        eta_seconds: RunStatus::eta(bytes, Some(20 << 20)),
    });
    status.problems = vec![
        Problem::new(ProblemCode::Target, b"", "connection refused", "check that /mnt/backup is mounted"),
        Problem::new(ProblemCode::Unreadable, b"/home/ann/\xfe\n", "permission denied", "let the agent read it"),
    ];
    status.last_run_cost = Some("under $0.01 for 12 requests".into());
    status.arena = vec![ArenaUsage {
        class: StorageClass::DeepArchive,
        packs: 3,
        bytes: 2 << 20,
        merge_at_bytes: 256 << 20,
        merge_from: Some(at(-30 * 24 * 3600)),
    }];
    status.last_merge = Some("20 small packs into one of 256.1 MiB in GLACIER".into());
    status.more_problems = 1200;
    status
}

/// Compares with a golden file; `ROZEN_BLESS=1` writes it anew, for a person to look at the difference.
fn assert_golden(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/status/golden").join(name);
    if std::env::var_os("ROZEN_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "{name}");
}

fn json(status: &Status) -> String {
    serde_json::to_string_pretty(status).unwrap() + "\n"
}

#[test]
fn the_texts_and_the_json_are_as_they_were() {
    let viewer = Viewer { now: at(0), offset: UtcOffset::from_hms(1, 0, 0).unwrap() };
    assert_golden("calm.txt", &render(&calm(), &viewer));
    assert_golden("calm.json", &json(&calm()));
    assert_golden("troubled.txt", &render(&troubled(), &Viewer { offset: UtcOffset::UTC, ..viewer }));
    assert_golden("troubled.json", &json(&troubled()));
}

#[test]
fn the_json_reads_back_as_the_same_status() {
    let mut status = troubled();
    let text = serde_json::to_string(&status).unwrap();
    let back: Status = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&back).unwrap(), text);
    // times are cut to milliseconds, all else is exact
    status.time = back.time;
    assert_eq!((&back.agent, &back.run.as_ref().unwrap().bytes), (&status.agent, &status.run.as_ref().unwrap().bytes));
    assert_eq!((&back.problems, back.roots.len()), (&status.problems, status.roots.len()));
}

#[test]
fn no_eta_without_total_and_rate() {
    let count = |done, total| Count { done, total };
    assert_eq!(RunStatus::eta(count(1, None), Some(1)), None);
    assert_eq!(RunStatus::eta(count(1, Some(2)), None), None);
    assert_eq!(RunStatus::eta(count(1, Some(2)), Some(0)), None);
    assert_eq!(RunStatus::eta(count(3, Some(2)), Some(1)), None, "the total was wrong");
    assert_eq!(RunStatus::eta(count(0, Some(10)), Some(4)), Some(3));
}

#[test]
fn numbers_and_spans_read_well_at_their_edges() {
    assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    assert_eq!(
        [0, 1023, 1024, (1 << 20) - 1, u64::MAX].map(bytes),
        ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "16.0 EiB"]
    );
    assert_eq!([1, 89, 90, 7200, 200_000].map(span), ["1 second", "89 seconds", "1 minute", "2 hours", "2 days"]);
}

#[test]
fn nothing_is_called_safe_of_a_repository_that_is_not_there() {
    let mut status = calm();
    status.target = Target::Down { since: at(3600), next_try: None, message: "no such bucket".into(), gone: true };
    let viewer = Viewer { now: at(0), offset: UtcOffset::UTC };
    let shown = render(&serde_json::from_str(&json(&status)).unwrap(), &viewer);
    assert!(shown.contains("Safe:      not known: the repository is not there"), "{shown}");
    assert!(!shown.contains("everything") && !shown.contains("Snapshot:  2"), "{shown}");
}

#[test]
fn times_out_of_any_calendar_do_not_panic() {
    let mut status = calm();
    let viewer = Viewer { now: Timestamp::new(0, 0), offset: UtcOffset::from_hms(-12, 0, 0).unwrap() };
    for secs in [i64::MIN / 2, i64::MAX / 2] {
        status.roots[0].recovery_point = Some(Timestamp::new(secs, 0));
        let back: Status = serde_json::from_str(&json(&status)).unwrap();
        assert!(render(&back, &viewer).contains("Safe:"));
        assert!(render(&status, &viewer).contains("Safe:"));
    }
}

#[test]
fn names_neither_command_a_terminal_nor_look_like_others() {
    assert_eq!(
        printable("a\u{9b}31mb\u{202e}txt.exe\u{2066}\u{200f}\n"),
        "a\u{fffd}31mb\u{fffd}txt.exe\u{fffd}\u{fffd}\u{fffd}"
    );
    assert_eq!(printable("Müller \u{5d0}\u{200d}"), "Müller \u{5d0}\u{200d}");
}
