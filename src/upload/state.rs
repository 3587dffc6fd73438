//! The machine of one upload: pure, so that every order of crashes and answers can be tested without a target.
//! docs/uploads.md shows it as a table, which a test holds equal to this file.

use super::Role;

/// How the bytes travel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Way {
    /// In one call.
    Whole,
    /// In parts, of an upload that outlives the process: its rows in the journal say how far it came.
    Parts,
}

/// How far an upload came.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum State {
    /// The spool file was written by an earlier process.
    Unverified,
    /// The bytes are as they should be.
    Ready,
    /// No bytes to send: an earlier upload may have ended without its record.
    SpoolLost,
    /// The target was asked to begin an upload and the answer was lost.
    Unanswered,
    /// No upload of this object exists.
    Creating,
    /// An upload was begun by an earlier call; which parts the target kept is not known.
    Resumed,
    /// Parts without a receipt are to be sent.
    Uploading,
    /// All parts have receipts.
    Completing,
    /// The target missed a part that has a receipt.
    Disputed,
    /// The name is taken or the upload is gone; whether the object is there as it should is not known.
    Doubtful,
    /// The upload is of no use any more.
    Ending(After),
    /// The target holds the object.
    Stored,
    /// The journal knows; a spool file may be left.
    Recorded,
    Durable,
}

/// Why an upload is ended, so where it goes on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum After {
    /// From the spool, with a new upload.
    Again,
    /// The object is there.
    Stored,
    Lost,
    OtherContent,
}

/// What to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    VerifySpool,
    Put,
    /// Read the journal's row of the upload.
    Recall,
    /// End all uploads of exactly this name.
    Sweep,
    Create,
    /// Compare the target's list of parts with the receipts; what differs loses its receipt.
    CheckParts,
    SendParts,
    Complete,
    /// End the upload and forget its rows.
    EndUpload,
    /// Look for the name and its size.
    Head,
    /// Read the object back and compare its hash.
    Compare,
    Record,
    RemoveSpool,
    Finish,
}

impl Action {
    /// It may fail because of what an earlier call has begun.
    pub(super) fn is_of_begun_upload(self) -> bool {
        matches!(self, Action::CheckParts | Action::SendParts | Action::Complete)
    }

    /// Of an upload by parts alone.
    pub(super) fn is_by_parts(self) -> bool {
        match self {
            Action::Recall
            | Action::Sweep
            | Action::Create
            | Action::CheckParts
            | Action::SendParts
            | Action::Complete
            | Action::EndUpload => true,
            Action::VerifySpool
            | Action::Put
            | Action::Head
            | Action::Compare
            | Action::Record
            | Action::RemoveSpool
            | Action::Finish => false,
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Event {
    SpoolSound,
    /// Missing, cut off or altered.
    SpoolUnusable,
    Created,
    /// The name existed, with the same size where one call sends the whole object.
    AlreadyThere,
    /// The target holds what it should.
    Same,
    /// The target holds something else under this name.
    Different,
    Absent,
    /// The journal has no row of an upload.
    NothingBegun,
    CreateUnanswered,
    UploadOpen,
    CompleteUnanswered,
    Swept,
    /// What has a receipt is there.
    PartsAgree,
    /// A part is not there, or not as its receipt says.
    PartsDiffer,
    AllSent,
    UploadGone,
    /// Somebody else wrote the name meanwhile.
    Conflict,
    /// The target will never take what is asked of an upload that an earlier call began.
    Refused,
    UploadEnded,
    Recorded,
    SpoolRemoved,
}

/// Ends that no repetition changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    Lost,
    OtherContent,
    /// The target undid what it had acknowledged as often as we try. A later call may do better.
    Unsettled,
}

/// One upload between two actions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Machine {
    pub(super) state: State,
    pub(super) role: Role,
    pub(super) way: Way,
    /// How often it may still go back to an earlier state.
    returns_left: u8,
}

/// A target that undoes uploads this often within one call is not to be relied on now.
pub(super) const RETURNS: u8 = 3;

impl Machine {
    pub(super) fn new(state: State, role: Role, way: Way) -> Self {
        Self { state, role, way, returns_left: RETURNS }
    }

    pub(super) fn action(&self) -> Action {
        match self.state {
            State::Unverified => Action::VerifySpool,
            State::Ready => match self.way {
                Way::Whole => Action::Put,
                Way::Parts => Action::Recall,
            },
            State::Unanswered => Action::Sweep,
            State::Creating => Action::Create,
            State::Resumed | State::Disputed => Action::CheckParts,
            State::Uploading => Action::SendParts,
            State::Completing => Action::Complete,
            State::Ending(_) => Action::EndUpload,
            State::SpoolLost | State::Doubtful => match self.role {
                // a name that is a hash is given to complete bytes only: its size is enough
                Role::Pack | Role::Hashed => Action::Head,
                Role::Numbered => Action::Compare,
            },
            State::Stored => Action::Record,
            State::Recorded => Action::RemoveSpool,
            State::Durable => Action::Finish,
        }
    }

    /// # Panics
    /// When the event is no answer to the action of this state: a bug in the driver.
    pub(super) fn apply(self, event: Event) -> Result<Machine, Refusal> {
        match (self.state, event) {
            (State::Unverified, Event::SpoolSound) => self.to(State::Ready),
            (State::Unverified | State::Ready | State::Uploading, Event::SpoolUnusable) => self.to(State::SpoolLost),
            (State::Ready, Event::Created) => self.to(State::Stored),
            (State::Ready, Event::AlreadyThere) => match self.role {
                Role::Pack | Role::Hashed => self.to(State::Stored),
                Role::Numbered => self.to(State::Doubtful),
            },
            (State::Ready, Event::Different) => self.leave(After::OtherContent),
            (State::Ready, event) => self.recalled(event),
            (State::SpoolLost | State::Doubtful, event) => self.looked_for(event),
            (State::Stored, Event::Recorded) => self.to(State::Recorded),
            (State::Recorded, Event::SpoolRemoved) => self.to(State::Durable),
            (_, event) => self.by_parts(event),
        }
    }

    fn recalled(self, event: Event) -> Result<Machine, Refusal> {
        match event {
            Event::NothingBegun => self.to(State::Creating),
            Event::CreateUnanswered => self.to(State::Unanswered),
            Event::UploadOpen => self.to(State::Resumed),
            Event::CompleteUnanswered => self.to(State::Completing),
            event => self.no_answer(event),
        }
    }

    fn by_parts(self, event: Event) -> Result<Machine, Refusal> {
        match (self.state, event) {
            (State::Unanswered, Event::Swept) => self.to(State::Creating),
            (State::Creating, Event::UploadOpen) => self.to(State::Uploading),
            (State::Resumed, Event::PartsAgree | Event::PartsDiffer) => self.to(State::Uploading),
            (State::Uploading, Event::AllSent) => self.to(State::Completing),
            (State::Completing, Event::Created) => self.to(State::Stored),
            (State::Completing, Event::PartsDiffer) => self.back_to(State::Disputed),
            (State::Disputed, Event::PartsDiffer) => self.to(State::Uploading),
            // the list is right and the target still misses a part: only a new upload can help
            (State::Disputed, Event::PartsAgree) => self.leave(After::Again),
            (State::Completing, Event::Conflict) => self.leave(After::Again),
            (State::Completing, Event::AlreadyThere) => self.to(State::Doubtful),
            (State::Resumed | State::Uploading | State::Completing | State::Disputed, Event::UploadGone) => {
                self.to(State::Doubtful)
            }
            // its parts may have been cut by other rules, or are damaged where nobody sees it
            (State::Resumed | State::Uploading | State::Completing | State::Disputed, Event::Refused) => {
                self.leave(After::Again)
            }
            (State::Ending(After::Again), Event::UploadEnded) => self.back_to(State::Unverified),
            (State::Ending(After::Stored), Event::UploadEnded) => self.to(State::Stored),
            (State::Ending(After::Lost), Event::UploadEnded) => Err(Refusal::Lost),
            (State::Ending(After::OtherContent), Event::UploadEnded) => Err(Refusal::OtherContent),
            (_, event) => self.no_answer(event),
        }
    }

    /// Of an object that may or may not be in the target.
    fn looked_for(self, event: Event) -> Result<Machine, Refusal> {
        match (self.state, event) {
            (_, Event::Same) => self.leave(After::Stored),
            (_, Event::Different) => self.leave(After::OtherContent),
            (State::SpoolLost, Event::Absent) => self.leave(After::Lost),
            // aborted by others, or deleted by an admin between two calls: send it
            (_, Event::Absent) => self.leave(After::Again),
            (_, event) => self.no_answer(event),
        }
    }

    /// An upload by parts is ended first, so that nothing of it stays in the target.
    fn leave(self, after: After) -> Result<Machine, Refusal> {
        match (self.way, after) {
            (Way::Parts, _) => self.to(State::Ending(after)),
            (Way::Whole, After::Again) => self.back_to(State::Ready),
            (Way::Whole, After::Stored) => self.to(State::Stored),
            (Way::Whole, After::Lost) => Err(Refusal::Lost),
            (Way::Whole, After::OtherContent) => Err(Refusal::OtherContent),
        }
    }

    fn to(self, state: State) -> Result<Machine, Refusal> {
        Ok(Machine { state, ..self })
    }

    fn back_to(self, state: State) -> Result<Machine, Refusal> {
        let returns_left = self.returns_left.checked_sub(1).ok_or(Refusal::Unsettled)?;
        Ok(Machine { state, returns_left, ..self })
    }

    fn no_answer(self, event: Event) -> ! {
        unreachable!("{event:?} is no answer in {:?}", self.state)
    }
}
