//! The program dies: at every request, before its effect and after it, at every part, at every fault point.

use rozen::fault::{POINTS, POINTS_OF_PARTS};

use crate::common::is_full;
use crate::lab::{Lab, PART, PARTS_IN_FLIGHT, backup, requests};
use crate::s3fake::{Control, Fault};

/// What is not a pack of several parts: small objects, which go in one call.
const SMALL: u64 = 100_000;

/// At most what was on its way is sent again, whatever the moment; small objects count for little.
fn assert_only_that_is_sent_twice(lab: &Lab, on_the_way: u64, after: &str) {
    let (twice, in_vain) = (lab.sent_twice(), lab.sent_in_vain());
    eprintln!("{after}: {on_the_way} bytes on their way, {twice} sent twice, {in_vain} in vain");
    assert!(on_the_way <= PARTS_IN_FLIGHT * PART, "{after}: {on_the_way} bytes were on their way");
    assert!(twice <= on_the_way + SMALL, "{after}: {twice} bytes were sent twice, {on_the_way} were on their way");
    assert!(in_vain <= SMALL, "{after}: {in_vain} bytes were sent in vain");
}

#[test]
fn killed_at_any_request_before_or_after_its_effect_the_next_run_is_right() {
    let clean = Lab::new();
    backup(&clean.machine);
    let counts = clean.server.counts();
    eprintln!("a run without a crash: {}", requests(&counts));
    assert_eq!((clean.sent_twice(), clean.sent_in_vain(), counts.of("UploadPart")), (0, 0, 3));
    let step = if is_full() { 1 } else { 5 };
    for nth in (1..=counts.all_requests()).step_by(step) {
        let fault = if nth % 2 == 0 { Fault::Stall } else { Fault::HoldAnswer };
        let both = if is_full() { vec![Fault::Stall, Fault::HoldAnswer] } else { vec![fault] };
        both.into_iter().for_each(|fault| dies_at_request(nth, fault));
    }
}

fn dies_at_request(nth: u64, fault: Fault) {
    let after = format!("{} at request {nth}", fault.name());
    let lab = Lab::new();
    let holds = fault == Fault::HoldAnswer;
    lab.order("*", nth, fault);
    let killed = lab.backup_killed_when(|lab| {
        let counts = lab.server.counts();
        if holds { counts.held > 0 } else { !counts.faults.is_empty() }
    });
    assert!(killed, "{after}: it was never met");
    let on_the_way = lab.on_their_way();
    lab.change();
    lab.assert_recovers(&after);
    assert_only_that_is_sent_twice(&lab, on_the_way, &after);
}

#[test]
fn a_part_that_arrived_is_not_sent_again_though_its_answer_was_lost() {
    let last = if is_full() { 3 } else { 1 };
    for nth in 1..=last {
        let lab = Lab::new();
        lab.order("UploadPart", nth, Fault::HoldAnswer);
        // the other two have their receipts, the answer to this one never comes
        assert!(lab.backup_killed_when(|lab| lab.server.counts().held > 0 && lab.receipts().0 == 2));
        lab.assert_recovers(&format!("part {nth}"));
        assert_eq!(lab.server.counts().of("UploadPart"), 3);
        assert_eq!((lab.sent_twice(), lab.sent_in_vain()), (0, 0));
    }
}

#[test]
fn a_part_that_was_on_its_way_is_all_that_is_sent_again() {
    let lab = Lab::new();
    lab.machine.configure("[limits]\nupload = \"16MiB/s\"");
    let parts = |lab: &Lab| {
        let received = lab.server.counts().received.into_iter().filter(|row| row.part > 0);
        received.map(|row| row.bytes).sum::<u64>()
    };
    // the three go side by side: the short one has arrived by then, the others are cut off
    assert!(lab.backup_killed_when(|lab| parts(lab) > PART / 2));
    let cut = lab.on_their_way();
    assert!(cut > 0);
    lab.assert_recovers("parts on their way");
    assert_only_that_is_sent_twice(&lab, cut, "parts on their way");
}

#[test]
fn dead_at_any_fault_point_of_an_upload_the_next_run_is_right() {
    let of_uploads = POINTS.iter().filter(|(point, _)| is_full() || point.starts_with("upload."));
    for (point, what) in POINTS_OF_PARTS.iter().chain(of_uploads) {
        let lab = Lab::new();
        let met = lab.backup_crashing_at(&format!("{point}:1"));
        // a store in a directory has points that a bucket has not, and there is nothing to freeze
        let elsewhere = ["store.", "freeze."].iter().any(|room| point.starts_with(room));
        assert!(met || elsewhere, "a run does not come by {point}");
        if met {
            let on_the_way = lab.on_their_way();
            lab.change();
            lab.assert_recovers(&format!("{point} ({what})"));
            assert_only_that_is_sent_twice(&lab, on_the_way, point);
        }
    }
}
