//! The server or the network fails once, and the run goes on; or it cannot, and says why.

use crate::common::is_full;
use crate::lab::{Lab, backup, said};
use crate::s3fake::{ACCESS_KEY, Control, Fault, Program, Rule, Settings, When};
use crate::skip;

const WRITES: [&str; 4] = ["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"];
const BODIES: [&str; 2] = ["PutObject", "UploadPart"];
const ENDS: [&str; 2] = ["PutObject", "CompleteMultipartUpload"];

fn error_in_200(after_effect: bool) -> Fault {
    Fault::ErrorIn200 { code: "InternalError".to_owned(), after_effect }
}

#[test]
fn what_fails_once_on_the_way_up_is_repeated_and_the_backup_ends_right() {
    let faults: [(Fault, &[&str]); 12] = [
        (Fault::DropRequest, &WRITES),
        (Fault::DropAnswer, &WRITES),
        (Fault::internal_error(), &WRITES),
        (Fault::slow_down(), &WRITES),
        (Fault::Delay { milliseconds: 100 }, &WRITES),
        (Fault::FlipRequest, &BODIES),
        (Fault::refuse(409, "ConditionalRequestConflict"), &ENDS),
        (error_in_200(false), &ENDS[1..]),
        (error_in_200(true), &ENDS[1..]),
        (Fault::AbortUpload, &WRITES[2..]),
        (Fault::LoseParts, &WRITES[3..]),
        (Fault::refuse(400, "ExpiredToken"), &WRITES),
    ];
    let mut lab = Lab::new();
    for (fault, operations) in faults {
        let name = format!("{fault:?}");
        eprintln!("{name} at {operations:?}");
        lab.write_large();
        lab.server.clear_faults();
        lab.server.reset_counts();
        operations.iter().for_each(|operation| lab.order(operation, 1, fault.clone()));
        backup(&lab.machine);
        assert_eq!(lab.server.counts().faults[fault.name()], operations.len() as u64, "{name}");
        lab.assert_restores(&name);
    }
    // an upload whose id got lost with the answer is found at the next start
    backup(&lab.machine);
    lab.assert_no_uploads("all faults");
}

#[test]
fn what_fails_once_on_the_way_down_is_repeated_and_the_restore_is_right() {
    let lab = Lab::new();
    backup(&lab.machine);
    let faults = [Fault::DropAnswer, Fault::slow_down(), Fault::TruncateAnswer, Fault::refuse(400, "ExpiredToken")];
    for fault in faults {
        let name = format!("{fault:?}");
        lab.server.clear_faults();
        lab.server.reset_counts();
        lab.order("GetObject", 4, fault.clone());
        lab.assert_restores(&name);
        assert_eq!(lab.server.counts().faults[fault.name()], 1, "{name}");
    }
}

#[test]
fn a_bit_that_flips_on_the_way_down_is_never_restored_as_right() {
    let lab = Lab::new();
    backup(&lab.machine);
    lab.server.inject(Rule::new("GetObject", When::Always, Fault::FlipAnswer).on("/packs/"));
    let to = lab.machine.at("damaged");
    let out = lab.machine.restore_command("latest").arg("--to").arg(&to).output().unwrap();
    assert!(!out.status.success(), "{}", said(&out));
    for name in ["large", "7"] {
        if let Ok(bytes) = std::fs::read(to.join(name)) {
            assert!(bytes == std::fs::read(lab.machine.root().join(name)).unwrap(), "{name} was restored wrong");
        }
    }
}

#[test]
fn credentials_that_expired_stop_the_run_with_their_name_and_it_goes_on_when_they_are_renewed() {
    let lab = Lab::new();
    // expired in the middle: what was sent stays
    lab.server.inject(Rule::new("UploadPart", When::First(1), Fault::Delay { milliseconds: 0 }));
    lab.server.inject(Rule::new("CompleteMultipartUpload", When::Always, Fault::refuse(400, "ExpiredToken")));
    let out = lab.machine.rozenctl("backup").arg("--once").output().unwrap();
    assert!(!out.status.success() && said(&out).contains("expired"), "{}", said(&out));
    lab.server.clear_faults();
    lab.server.expire(ACCESS_KEY, true);
    let out = lab.machine.rozenctl("backup").arg("--once").output().unwrap();
    assert!(!out.status.success() && said(&out).contains("expired"), "{}", said(&out));
    lab.server.expire(ACCESS_KEY, false);
    lab.assert_recovers("renewed credentials");
    assert_eq!((lab.server.counts().of("UploadPart"), lab.sent_twice()), (3, 0));
}

#[test]
fn a_clock_that_is_wrong_is_named_or_corrected() {
    let lab = Lab::new();
    lab.server.settings(Settings { skew_seconds: 3600, ..Settings::default() });
    let out = lab.machine.rozenctl("backup").arg("--once").output().unwrap();
    assert!(out.status.success() || said(&out).contains("clock"), "{}", said(&out));
    lab.server.settings(Settings::default());
    lab.assert_recovers("a wrong clock");
}

#[test]
fn a_connection_that_stalls_is_given_up_and_the_request_repeated() {
    if !is_full() {
        skip!("the program waits a minute for an answer (ROZEN_FULL=1 runs it)");
    }
    let lab = Lab::new();
    lab.order("PutObject", 1, Fault::Stall);
    backup(&lab.machine);
    lab.order("GetObject", 4, Fault::StallAnswer);
    lab.assert_restores("stalls");
    assert_eq!(lab.server.counts().faults.values().sum::<u64>(), 2);
}

#[test]
fn a_server_that_is_away_is_named_and_the_next_run_is_right_when_it_is_back() {
    if !is_full() {
        skip!("the program tries for half a minute (ROZEN_FULL=1 runs it)");
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Program::start("serve", dir.path());
    let endpoint = server.endpoint();
    let mut lab = Lab::on(server, &endpoint);
    lab.server.kill();
    let out = lab.machine.rozenctl("backup").arg("--once").output().unwrap();
    assert!(!out.status.success() && said(&out).contains("cannot be reached"), "{}", said(&out));
    lab.server.restart();
    lab.assert_recovers("an outage");
}
