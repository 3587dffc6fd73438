//! Every way through the machine, and the document that shows it.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::Path;

use super::Role;
use super::state::{Action, After, Event, Machine, Refusal, State, Way};

/// Kinds of objects as docs/uploads.md names them. `Role::Hashed` differs from a pack in nothing that is seen here.
const KINDS: [(&str, Role, Way); 3] = [
    ("named by hash", Role::Pack, Way::Whole),
    ("numbered", Role::Numbered, Way::Whole),
    ("pack by parts", Role::Pack, Way::Parts),
];

/// Numbered objects are never spooled.
fn start(role: Role, way: Way) -> Machine {
    let state = if role == Role::Numbered { State::Ready } else { State::Unverified };
    Machine::new(state, role, way)
}

/// All that the driver can answer, by what was asked and from where.
fn answers(machine: &Machine) -> &'static [Event] {
    match machine.action() {
        Action::VerifySpool => &[Event::SpoolSound, Event::SpoolUnusable],
        Action::Put if machine.role == Role::Numbered => &[Event::Created, Event::AlreadyThere, Event::Different],
        Action::Put => &[Event::Created, Event::AlreadyThere, Event::Different, Event::SpoolUnusable],
        Action::Recall => &[Event::NothingBegun, Event::CreateUnanswered, Event::UploadOpen, Event::CompleteUnanswered],
        Action::Sweep => &[Event::Swept],
        Action::Create => &[Event::UploadOpen],
        Action::CheckParts => &[Event::PartsAgree, Event::PartsDiffer, Event::UploadGone, Event::Refused],
        Action::SendParts => &[Event::AllSent, Event::UploadGone, Event::SpoolUnusable, Event::Refused],
        Action::Complete => &[
            Event::Created,
            Event::AlreadyThere,
            Event::UploadGone,
            Event::PartsDiffer,
            Event::Conflict,
            Event::Refused,
        ],
        Action::Head | Action::Compare => &[Event::Same, Event::Different, Event::Absent],
        Action::EndUpload => &[Event::UploadEnded],
        Action::Record => &[Event::Recorded],
        Action::RemoveSpool => &[Event::SpoolRemoved],
        Action::Finish => &[],
    }
}

/// What a walk has seen so far.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Seen {
    /// The spool was verified and has not been doubted since.
    verified: bool,
    /// The last word of the target about the object.
    in_target: bool,
    /// An upload may be there that nobody ended.
    open: bool,
    recorded: bool,
}

impl Seen {
    fn after(self, machine: &Machine, event: Event) -> Self {
        let mut seen = self;
        match event {
            Event::SpoolSound => seen.verified = true,
            Event::Created => (seen.in_target, seen.open) = (true, false),
            Event::Same => seen.in_target = true,
            Event::AlreadyThere => seen.in_target = machine.way == Way::Whole && machine.role != Role::Numbered,
            Event::Absent => seen.in_target = false,
            Event::CreateUnanswered | Event::UploadOpen | Event::CompleteUnanswered => seen.open = true,
            Event::Swept | Event::UploadGone | Event::UploadEnded => seen.open = false,
            Event::Recorded => seen.recorded = true,
            _ => {}
        }
        seen.verified &= !matches!(event, Event::SpoolUnusable | Event::UploadEnded);
        seen
    }
}

/// Calls `step` for every action and answer that can be reached from the start, each once.
fn walk(role: Role, way: Way, mut step: impl FnMut(&Machine, Seen, Event, Result<Machine, Refusal>, Seen)) {
    let mut known = HashSet::new();
    let seen = Seen { verified: role == Role::Numbered, ..Seen::default() };
    let mut open = vec![(start(role, way), seen)];
    while let Some((machine, seen)) = open.pop() {
        if !known.insert((machine, seen)) {
            continue;
        }
        for event in answers(&machine) {
            let (next, after) = (machine.apply(*event), seen.after(&machine, *event));
            step(&machine, seen, *event, next, after);
            open.extend(next.ok().map(|next| (next, after)));
        }
    }
}

#[test]
fn what_is_durable_was_seen_in_the_target_and_recorded_before_the_spool_went() {
    for (kind, role, way) in KINDS {
        let mut ends = 0;
        walk(role, way, |machine, seen, event, next, _| {
            if machine.action() == Action::Record {
                assert!(seen.in_target, "{kind}: {machine:?}");
            }
            if event == Event::SpoolRemoved {
                assert!(seen.in_target && seen.recorded, "{kind}: {machine:?}");
                assert_eq!(next.map(|next| next.state), Ok(State::Durable));
                ends += 1;
            }
        });
        assert!(ends > 0, "{kind}");
    }
}

#[test]
fn no_end_leaves_an_upload_open_but_one_that_can_go_on() {
    for (kind, role, way) in KINDS {
        walk(role, way, |machine, _, event, next, after| match next {
            // the rows stay: the next call goes on with it
            Err(Refusal::Unsettled) | Ok(_) if machine.state != State::Recorded => {}
            _ => assert!(!after.open, "{kind}: {machine:?} {event:?}"),
        });
    }
}

#[test]
fn only_verified_bytes_are_sent() {
    for (kind, role, way) in KINDS {
        walk(role, way, |machine, seen, _, _, _| {
            if matches!(machine.action(), Action::Put | Action::Create | Action::SendParts) {
                assert!(seen.verified, "{kind}: {machine:?}");
            }
        });
    }
}

#[test]
fn every_walk_ends_however_often_the_target_undoes_what_it_said() {
    for (kind, role, way) in KINDS {
        // a depth-first search that meets a machine on its own path has found a circle
        let mut done = HashSet::new();
        assert!(ends(start(role, way), &mut Vec::new(), &mut done), "{kind}");
    }
}

fn ends(machine: Machine, path: &mut Vec<Machine>, done: &mut HashSet<Machine>) -> bool {
    if path.contains(&machine) {
        return false;
    }
    if done.contains(&machine) {
        return true;
    }
    path.push(machine);
    let all = answers(&machine).iter().filter_map(|event| machine.apply(*event).ok());
    let all_end = all.collect::<Vec<_>>().into_iter().all(|next| ends(next, path, done));
    path.pop();
    done.insert(machine);
    all_end
}

/// The rows of docs/uploads.md without their last column, the tests.
fn table() -> BTreeSet<String> {
    let mut rows = BTreeSet::new();
    for (kind, role, way) in KINDS {
        walk(role, way, |machine, _, event, next, _| {
            let then = match next {
                Ok(next) => name(next.state),
                // how often it goes back is said in the text
                Err(Refusal::Unsettled) => return,
                Err(refusal) => format!("error {refusal:?}"),
            };
            rows.insert(format!("| {kind} | {} | {:?} | {event:?} | {then} |", name(machine.state), machine.action()));
        });
    }
    rows
}

fn name(state: State) -> String {
    match state {
        State::Ending(After::Again) => "Ending, then again".into(),
        State::Ending(After::Stored) => "Ending, then Stored".into(),
        State::Ending(After::Lost) => "Ending, then lost".into(),
        State::Ending(After::OtherContent) => "Ending, then other content".into(),
        state => format!("{state:?}"),
    }
}

#[test]
fn the_document_lists_every_state_with_every_answer() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/uploads.md")).unwrap();
    let kinds = KINDS.map(|(kind, ..)| format!("| {kind} |"));
    let mut documented = BTreeSet::new();
    for row in text.lines().filter(|line| kinds.iter().any(|kind| line.starts_with(kind))) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert!(cells.len() == 6 && cells[5].starts_with('`'), "a row without a test: {row}");
        documented.insert(format!("| {} |", cells[..5].join(" | ")));
    }
    let machine = table();
    let missing: Vec<_> = machine.difference(&documented).collect();
    let wrong: Vec<_> = documented.difference(&machine).collect();
    assert!(missing.is_empty() && wrong.is_empty(), "missing: {missing:#?}\nnot so: {wrong:#?}");
}
