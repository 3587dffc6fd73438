//! The machine of one upload: pure, so that every order of crashes and answers can be tested without a target.

use super::Role;

/// How far an upload came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// The spool file was written by an earlier process.
    Unverified,
    /// The bytes are as they should be, and not sent.
    Ready,
    /// No bytes to send: an earlier upload may have ended without its record.
    SpoolLost,
    /// The name was taken; whether by these bytes is not known.
    Doubtful,
    /// The target holds it.
    Stored,
    /// The journal knows; a spool file may be left.
    Recorded,
    Durable,
}

/// What to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    VerifySpool,
    Put,
    /// Look for the name and its size.
    Head,
    /// Read the object back and compare its hash.
    Compare,
    Record,
    RemoveSpool,
    Finish,
}

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Event {
    SpoolSound,
    /// Missing, cut off or altered.
    SpoolUnusable,
    Created,
    /// The name existed, with the same size.
    AlreadyThere,
    /// The target holds what it should.
    Same,
    /// The target holds something else under this name.
    Different,
    Absent,
    Recorded,
    SpoolRemoved,
}

/// Ends that no repetition changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    Lost,
    OtherContent,
}

impl State {
    pub(super) fn action(self, role: Role) -> Action {
        match (self, role) {
            (State::Unverified, _) => Action::VerifySpool,
            (State::Ready, _) => Action::Put,
            // a name that is a hash is given to complete bytes only: its size is enough
            (State::SpoolLost, Role::Pack | Role::Hashed) => Action::Head,
            (State::SpoolLost, Role::Numbered) | (State::Doubtful, _) => Action::Compare,
            (State::Stored, _) => Action::Record,
            (State::Recorded, _) => Action::RemoveSpool,
            (State::Durable, _) => Action::Finish,
        }
    }

    /// # Panics
    /// When the event is no answer to the action of this state: a bug in the driver.
    pub(super) fn apply(self, role: Role, event: Event) -> Result<State, Refusal> {
        match (self, event) {
            (State::Unverified, Event::SpoolSound) => Ok(State::Ready),
            (State::Unverified | State::Ready, Event::SpoolUnusable) => Ok(State::SpoolLost),
            (State::Ready, Event::Created) => Ok(State::Stored),
            (State::Ready, Event::AlreadyThere) => Ok(match role {
                Role::Pack | Role::Hashed => State::Stored,
                Role::Numbered => State::Doubtful,
            }),
            (State::SpoolLost | State::Doubtful, Event::Same) => Ok(State::Stored),
            (State::Ready | State::SpoolLost | State::Doubtful, Event::Different) => Err(Refusal::OtherContent),
            (State::SpoolLost, Event::Absent) => Err(Refusal::Lost),
            // an admin deleted it between two calls: send it
            (State::Doubtful, Event::Absent) => Ok(State::Ready),
            (State::Stored, Event::Recorded) => Ok(State::Recorded),
            (State::Recorded, Event::SpoolRemoved) => Ok(State::Durable),
            (state, event) => unreachable!("{event:?} is no answer in {state:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: [Role; 3] = [Role::Pack, Role::Hashed, Role::Numbered];

    fn answers(action: Action) -> &'static [Event] {
        match action {
            Action::VerifySpool => &[Event::SpoolSound, Event::SpoolUnusable],
            Action::Put => &[Event::Created, Event::AlreadyThere, Event::Different, Event::SpoolUnusable],
            Action::Head | Action::Compare => &[Event::Same, Event::Different, Event::Absent],
            Action::Record => &[Event::Recorded],
            Action::RemoveSpool => &[Event::SpoolRemoved],
            Action::Finish => &[],
        }
    }

    /// All ways through the machine, up to a length that covers a deleted and re-sent object.
    fn walk(role: Role, state: State, path: &mut Vec<(Action, Event)>, ends: &mut Vec<Vec<(Action, Event)>>) {
        let action = state.action(role);
        if action == Action::Finish {
            ends.push(path.clone());
        }
        if path.len() >= 9 {
            return;
        }
        for event in answers(action) {
            path.push((action, *event));
            if let Ok(next) = state.apply(role, *event) {
                walk(role, next, path, ends);
            }
            path.pop();
        }
    }

    #[test]
    fn every_way_to_durable_saw_the_object_in_the_target_and_recorded_it_before_the_spool_went() {
        for role in ROLES {
            let mut ends = Vec::new();
            walk(role, State::Unverified, &mut Vec::new(), &mut ends);
            assert!(!ends.is_empty());
            for path in ends {
                let last_two = &path[path.len() - 2..];
                assert_eq!(last_two[0].1, Event::Recorded, "{path:?}");
                assert_eq!(last_two[1].1, Event::SpoolRemoved, "{path:?}");
                let seen = path[path.len() - 3].1;
                assert!(matches!(seen, Event::Created | Event::AlreadyThere | Event::Same), "{path:?}");
                assert!(role != Role::Numbered || seen != Event::AlreadyThere, "{path:?}");
            }
        }
    }

    #[test]
    fn nothing_unverified_is_ever_sent() {
        for role in ROLES {
            assert_eq!(State::Unverified.action(role), Action::VerifySpool);
            assert_ne!(State::SpoolLost.action(role), Action::Put);
        }
    }
}
