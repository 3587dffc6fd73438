//! Whole objects and parts at the pace of a limit, on a clock that nobody waits for: in a directory, and in a bucket over
//! real connections.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use super::Limiter;
use crate::clock::{Clock, ManualClock};
use crate::model::{Rates, StorageClass, Timestamp};
use crate::store::s3::tests::servers::a_bucket_of_the_fake;
use crate::store::{ObjectName, PartSource, PutSource, RetryPolicy, Store, StoreError, StoreUrl, Upload};

const RATES: Rates = Rates { upload: Some(1_000_000), download: Some(500_000) };
const SIZE: usize = 3_000_000;
const LARGEST_PIECE: u128 = 256 << 10;

fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).unwrap()
}

fn put(store: &Store, text: &str, source: PutSource<'_>) {
    store.put_if_absent(&name(text), source, StorageClass::Standard).unwrap();
}

/// Runs `test` on both kinds with a limit, and a spool file of `SIZE` bytes.
fn on_both(test: impl Fn(&Store, &ManualClock, &Clock, &Path)) {
    let (fake, address, dir) = a_bucket_of_the_fake();
    let folder = dir.path().join("repo");
    drop(Store::create(&StoreUrl::from_path(&folder).unwrap()).unwrap());
    let spooled = dir.path().join("spooled");
    for url in [StoreUrl::from_path(&folder).unwrap(), StoreUrl::S3(address)] {
        let (clock, manual) = Clock::manual(Timestamp::default());
        let store = Store::open_limited(&url, &Limiter::new(clock.clone(), |_| RATES)).unwrap();
        std::fs::write(&spooled, vec![7; SIZE]).unwrap();
        test(&store, &manual, &clock, &spooled);
        assert!(manual.slept().iter().all(|slept| slept.as_millis() <= 500), "who waits looks at the limit again");
    }
    drop(fake);
}

/// As long as `bytes` take, but for the last piece.
#[track_caller]
fn assert_paced(clock: &Clock, bytes: u128, rate: Option<u64>) {
    let (passed, rate) = (clock.monotonic().0.as_millis(), u128::from(rate.unwrap()));
    let least = (bytes - LARGEST_PIECE) * 1000 / rate;
    assert!(passed >= least, "{passed} ms for {bytes} bytes, at least {least}");
}

#[test]
fn objects_go_up_at_the_pace_of_the_limit_from_memory_and_from_files() {
    on_both(|store, _, clock, spooled| {
        put(store, "bytes", PutSource::Bytes(&vec![7; SIZE]));
        put(store, "copied", PutSource::File { path: spooled, may_move: false });
        put(store, "moved", PutSource::File { path: spooled, may_move: true });
        (0..10).for_each(|number| put(store, &format!("small/{number}"), PutSource::Bytes(&[7; 100_000])));
        assert_paced(clock, 3 * SIZE as u128 + 1_000_000, RATES.upload);
    });
}

#[test]
fn objects_come_down_at_the_pace_of_the_limit_whole_and_in_ranges() {
    on_both(|store, manual, clock, _| {
        put(store, "bytes", PutSource::Bytes(&vec![7; SIZE]));
        manual.advance(std::time::Duration::from_secs(10));
        let before = clock.monotonic().0;
        assert_eq!(store.get(&name("bytes"), SIZE as u64).unwrap().len(), SIZE);
        for offset in 0..3 {
            store.get_range(&name("bytes"), offset, 1_000_000).unwrap();
        }
        let passed = (clock.monotonic().0 - before).as_millis();
        // a connection gives pieces of its own size
        assert!((10_000..=12_001).contains(&passed), "{passed} ms for 6 MB at 500 kB/s");
    });
}

#[test]
fn parts_that_go_up_side_by_side_share_the_limit() {
    let (fake, address, dir) = a_bucket_of_the_fake();
    let (clock, _) = Clock::manual(Timestamp::default());
    let limiter = Limiter::new(clock.clone(), |_| RATES);
    let stores = [0, 1].map(|_| Store::open_limited(&StoreUrl::S3(address.clone()), &limiter).unwrap());
    let spooled = dir.path().join("spooled");
    std::fs::write(&spooled, vec![7; SIZE]).unwrap();
    let id = stores[0].create_upload(&name("object"), StorageClass::Standard).unwrap();
    let upload = Upload { name: name("object"), id };
    std::thread::scope(|scope| {
        for number in 1..=6 {
            let (store, upload, path) = (&stores[number as usize % 2], &upload, &spooled);
            let source = PartSource { path, offset: 0, len: SIZE as u64 };
            scope.spawn(move || store.put_part(upload, number, source).unwrap());
        }
    });
    assert_paced(&clock, 6 * SIZE as u128, RATES.upload);
    drop(fake);
}

#[test]
fn a_limit_that_ends_lets_a_body_go_that_is_on_its_way() {
    let (fake, address, _dir) = a_bucket_of_the_fake();
    let (clock, _) = Clock::manual(Timestamp::default());
    // a body of 50 minutes, if it were not for the evening
    let limiter = Limiter::new(clock.clone(), |now| Rates { upload: (now.secs < 60).then_some(1000), download: None });
    let store = Store::open_limited(&StoreUrl::S3(address), &limiter).unwrap();
    put(&store, "bytes", PutSource::Bytes(&vec![7; SIZE]));
    let passed = clock.monotonic().0.as_millis();
    assert!((60_000..=60_500).contains(&passed), "{passed} ms");
    drop(fake);
}

#[test]
fn after_the_wish_to_stop_nothing_new_is_sent() {
    let put = |store: &Store, text: &str| {
        store.put_if_absent(&name(text), PutSource::Bytes(&[7; 100]), StorageClass::Standard)
    };
    let (fake, address, dir) = a_bucket_of_the_fake();
    let folder = StoreUrl::from_path(&dir.path().join("repo")).unwrap();
    drop(Store::create(&folder).unwrap());
    for url in [folder, StoreUrl::S3(address)] {
        let stop = Arc::new(AtomicBool::new(false));
        let limiter = Limiter::stopped_by(stop.clone(), Clock::system(), |_| Rates::default());
        let store = Store::open_limited(&url, &limiter).unwrap();
        put(&store, "before").unwrap();
        stop.store(true, Relaxed);
        assert!(matches!(put(&store, "after"), Err(StoreError::Stopped)), "{url}");
        assert!(matches!(store.create_upload(&name("x"), StorageClass::Standard), Err(StoreError::Stopped)), "{url}");
        let held: Vec<_> = store.list("").unwrap().into_iter().map(|listed| listed.name.to_string()).collect();
        assert_eq!(held, ["before"], "{url}");
        stop.store(false, Relaxed);
        put(&store, "after").unwrap();
    }
    drop(fake);
}

#[test]
fn a_body_that_waits_for_the_limit_is_cut_off_by_the_wish_to_stop_and_not_tried_again() {
    let (fake, address, dir) = a_bucket_of_the_fake();
    let spooled = dir.path().join("spooled");
    std::fs::write(&spooled, vec![7; SIZE]).unwrap();
    let large = vec![7; SIZE];
    for source in [PutSource::Bytes(&large), PutSource::File { path: &spooled, may_move: true }] {
        let (clock, _) = Clock::manual(Timestamp::default());
        let stop = Arc::new(AtomicBool::new(false));
        let limiter = Limiter::stopped_by(stop.clone(), clock.clone(), move |now| {
            stop.fetch_or(now.secs >= 60, Relaxed);
            Rates { upload: Some(1000), download: None }
        });
        let store = Store::open_limited(&StoreUrl::S3(address.clone()), &limiter).unwrap();
        let store = store.retrying(RetryPolicy::default(), clock.clone());
        let ended = store.put_if_absent(&name("bytes"), source, StorageClass::Standard);
        assert!(matches!(ended, Err(StoreError::Stopped)), "{ended:?}");
        let passed = clock.monotonic().0.as_millis();
        assert!((60_000..=61_000).contains(&passed), "{passed} ms");
        assert_eq!(store.list("").unwrap(), []);
    }
    drop(fake);
}
