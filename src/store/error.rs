//! What can go wrong with a target, and what to do about it.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

use super::{NameError, ObjectName, S3Refusal, UploadId};

/// One of the verbs of a [`super::Store`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Verb {
    Open,
    Put,
    Get,
    GetRange,
    Head,
    List,
    Delete,
    CreateUpload,
    PutPart,
    ListParts,
    CompleteUpload,
    AbortUpload,
    ListUploads,
    Thaw,
    ListVersions,
    RemoveMarkers,
    PutBack,
}

impl Verb {
    /// All verbs but [`Verb::Open`].
    pub const ALL: [Verb; 16] = [
        Verb::Put,
        Verb::Get,
        Verb::GetRange,
        Verb::Head,
        Verb::List,
        Verb::Delete,
        Verb::CreateUpload,
        Verb::PutPart,
        Verb::ListParts,
        Verb::CompleteUpload,
        Verb::AbortUpload,
        Verb::ListUploads,
        Verb::Thaw,
        Verb::ListVersions,
        Verb::RemoveMarkers,
        Verb::PutBack,
    ];

    /// As it is written down and shown to programs; [`Verb::from_code`] reads it.
    pub fn code(self) -> &'static str {
        match self {
            Verb::Open => "open",
            Verb::Put => "put",
            Verb::Get => "get",
            Verb::GetRange => "get_range",
            Verb::Head => "head",
            Verb::List => "list",
            Verb::Delete => "delete",
            Verb::CreateUpload => "create_upload",
            Verb::PutPart => "put_part",
            Verb::ListParts => "list_parts",
            Verb::CompleteUpload => "complete_upload",
            Verb::AbortUpload => "abort_upload",
            Verb::ListUploads => "list_uploads",
            Verb::Thaw => "thaw",
            Verb::ListVersions => "list_versions",
            Verb::RemoveMarkers => "remove_markers",
            Verb::PutBack => "put_back",
        }
    }

    /// Changes nothing at the target.
    fn is_reading(self) -> bool {
        matches!(self, Verb::Open | Verb::Get | Verb::GetRange | Verb::Head | Verb::List | Verb::ListVersions)
    }

    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().chain([Verb::Open]).find(|verb| verb.code() == code)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verb::Open => "open",
            Verb::Put => "store",
            Verb::Get => "read",
            Verb::GetRange => "read a part of",
            Verb::Head => "look for",
            Verb::List => "list",
            Verb::Delete => "delete",
            Verb::CreateUpload => "begin to upload",
            Verb::PutPart => "upload a part of",
            Verb::ListParts => "list the uploaded parts of",
            Verb::CompleteUpload => "complete the upload of",
            Verb::AbortUpload => "abort the upload of",
            Verb::ListUploads => "list the begun uploads of",
            Verb::Thaw => "thaw",
            Verb::ListVersions => "list the versions of",
            Verb::RemoveMarkers => "remove",
            Verb::PutBack => "put back what was stored first of",
        })
    }
}

/// A verb that did not succeed. Errors of reading what is backed up never come from here.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the target holds no object {name}")]
    NotFound { name: ObjectName },
    #[error("the target already holds {name} with {present} bytes, not the {offered} bytes to be stored")]
    Conflict { name: ObjectName, present: u64, offered: u64 },
    #[error("{name} has {size} bytes, more than the {limit} that it may have")]
    TooLarge { name: ObjectName, size: u64, limit: u64 },
    #[error("{name} has {size} bytes: {len} bytes at {offset} are not all there")]
    OutOfRange { name: ObjectName, offset: u64, len: u64, size: u64 },
    #[error("{name} is no regular file")]
    NotAFile { name: ObjectName },
    #[error("cannot {verb} {what} in the target")]
    Io { verb: Verb, what: String, source: io::Error },
    #[error("the target {place} is not there")]
    TargetGone { place: PathBuf },
    #[error("the target {place} is not a directory")]
    NotADirectory { place: PathBuf },
    #[error("the filesystem of the target {place} can neither link nor rename without replacing")]
    NoExclusiveCreate { place: PathBuf, source: io::Error },
    #[error("the target cannot {verb} objects")]
    NotOffered { verb: Verb },
    #[error("{name} is archived and must be thawed before it can be read")]
    Archived { name: ObjectName },
    #[error("the target does not know the upload {id} of {name} any more")]
    UploadGone { name: ObjectName, id: UploadId },
    #[error("cannot {verb} {what} in the bucket {bucket}")]
    S3 { verb: Verb, what: String, bucket: String, source: S3Refusal },
    #[error("cannot trust the certificates of {path:?}: {reason}")]
    Certificates { path: PathBuf, reason: String },
    /// The local file to be stored, not the target.
    #[error("cannot read the spooled file {path}")]
    Spool { path: PathBuf, source: io::Error },
    #[error("{url:?} is no target: {reason}")]
    BadUrl { url: String, reason: Cow<'static, str> },
    #[error("targets of the kind {scheme}:// are not supported yet")]
    NotYetSupported { scheme: String },
    /// Nothing is sent any more; nothing is wrong with the target.
    #[error("stopped on request")]
    Stopped,
    #[error(transparent)]
    Name(#[from] NameError),
}

/// What a caller does about an error: total, so that no error is left without an answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Disposition {
    /// May go away by itself: try again later.
    Retry,
    /// The object is not there; nothing is wrong with the target.
    NotFound,
    /// No space or quota left: the run stops and waits for a person.
    Full,
    /// The target may be read but not written.
    ReadOnly,
    /// The target refuses this user.
    Denied,
    /// The target will give the same answer again.
    Permanent,
    /// The local spool file is at fault, not the target.
    Spool,
}

impl StoreError {
    pub(super) fn io(verb: Verb, what: impl fmt::Display, source: impl Into<io::Error>) -> Self {
        StoreError::Io { verb, what: what.to_string(), source: source.into() }
    }

    pub fn disposition(&self) -> Disposition {
        match self {
            StoreError::NotFound { .. } => Disposition::NotFound,
            StoreError::Io { source, .. } => of_io(source),
            // a disk that is not plugged in, a mount that is not there yet
            StoreError::TargetGone { .. } => Disposition::Retry,
            StoreError::Spool { .. } => Disposition::Spool,
            StoreError::S3 { source, .. } => source.disposition(),
            StoreError::Conflict { .. }
            | StoreError::TooLarge { .. }
            | StoreError::OutOfRange { .. }
            | StoreError::NotAFile { .. }
            | StoreError::NotADirectory { .. }
            | StoreError::NoExclusiveCreate { .. }
            | StoreError::BadUrl { .. }
            | StoreError::NotYetSupported { .. }
            | StoreError::NotOffered { .. }
            | StoreError::Archived { .. }
            | StoreError::UploadGone { .. }
            | StoreError::Certificates { .. }
            | StoreError::Stopped
            | StoreError::Name(_) => Disposition::Permanent,
        }
    }

    /// Whether it says something about the target as a whole, or the way to it, and nothing about one object.
    pub fn is_of_target(&self) -> bool {
        matches!(self, StoreError::TargetGone { .. } | StoreError::S3 { .. } | StoreError::Certificates { .. })
    }

    /// What was asked for; the name of an object where it was one.
    pub fn what(&self) -> Option<&str> {
        match self {
            StoreError::Io { what, .. } | StoreError::S3 { what, .. } => Some(what),
            _ => None,
        }
    }

    /// The disk cannot give back what it holds there. Its driver has tried again already, so nobody else does.
    pub fn is_of_medium(&self) -> bool {
        match self {
            StoreError::Io { verb, source, .. } => {
                let errno = Errno::from_io_error(source);
                verb.is_reading() && matches!(errno, Some(Errno::IO | Errno::UCLEAN | Errno::BADMSG))
            }
            _ => false,
        }
    }

    /// About one object that is there and cannot be read; others may be given.
    pub fn is_of_object(&self) -> bool {
        match self {
            StoreError::TooLarge { .. } | StoreError::OutOfRange { .. } | StoreError::NotAFile { .. } => true,
            StoreError::Io { source, .. } => self.is_of_medium() || of_io(source) == Disposition::Permanent,
            _ => false,
        }
    }

    /// The target has understood this very request and will never take it; about other requests it says nothing.
    pub fn is_refusal(&self) -> bool {
        match self {
            StoreError::S3 { source, .. } => {
                matches!(source, S3Refusal::Refused { .. } | S3Refusal::WholeDiffers { .. })
            }
            StoreError::Io { source, .. } => of_io(source) == Disposition::Permanent,
            _ => false,
        }
    }

    /// These credentials are known, and may not do this; what else they may it does not say.
    pub fn is_missing_right(&self) -> bool {
        match self {
            StoreError::S3 { source, .. } => matches!(source, S3Refusal::AccessDenied { .. }),
            StoreError::Io { source, .. } => of_io(source) == Disposition::Denied,
            _ => false,
        }
    }

    /// The place where objects would be is known not to be there.
    pub fn is_no_bucket(&self) -> bool {
        matches!(self, StoreError::S3 { source: S3Refusal::NoSuchBucket, .. })
    }

    pub fn is_not_found(&self) -> bool {
        self.disposition() == Disposition::NotFound
    }

    /// The next try is signed by the target's clock; where that does not help, no later one does.
    pub(super) fn helps_once(&self) -> bool {
        matches!(self, StoreError::S3 { source: S3Refusal::ClockSkew { .. }, .. })
    }

    /// What a person can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            StoreError::TargetGone { .. } => "Connect or mount the disk that holds the repository; check its path.",
            StoreError::NotADirectory { .. } => "Give the directory of the repository.",
            StoreError::NoExclusiveCreate { .. } => "Put the repository on another filesystem (ext4, xfs, btrfs, NFS).",
            StoreError::BadUrl { url, .. } if url.starts_with("s3://") => {
                "Mend it: docs/targets.md (\"A bucket\") has the options that the URL of a bucket may have."
            }
            StoreError::BadUrl { .. } => "Give an absolute path, file:///path, or s3://bucket/prefix.",
            StoreError::NotYetSupported { .. } => {
                "Use a directory (a path, or file:///path) or a bucket (s3://bucket/prefix)."
            }
            StoreError::S3 { source, .. } => source.remedy(),
            StoreError::Certificates { .. } => {
                "Give a file of certificates in PEM with …&ca=/path/to/ca.pem (or AWS_CA_BUNDLE)."
            }
            StoreError::NotOffered { .. } => "Use a target of another kind for this.",
            StoreError::Archived { .. } => "Restore with a thaw: `rozenctl restore` plans it and tells what it costs.",
            StoreError::UploadGone { .. } => {
                "The next backup looks for the object, and sends it again if it is not there."
            }
            StoreError::Stopped => "Start it again: it goes on from what is stored.",
            StoreError::Conflict { .. } => {
                "Two writers may use one machine identity, or the object is damaged: run `rozenctl check`."
            }
            StoreError::TooLarge { .. }
            | StoreError::OutOfRange { .. }
            | StoreError::NotAFile { .. }
            | StoreError::Name(_) => "The repository may be damaged: run `rozenctl check`.",
            StoreError::Io { verb, .. } if self.disposition() == Disposition::Denied && verb.is_reading() => {
                "Run it as a user that may read the target's directory and all that is in it."
            }
            error if error.is_of_medium() => {
                "The disk of the target, or the filesystem on it, is damaged: copy the disk (ddrescue) or check its filesystem (fsck); then \
                 `rozenctl check` says what is lost."
            }
            _ => self.disposition().remedy(),
        }
    }
}

impl Disposition {
    fn remedy(self) -> &'static str {
        match self {
            Disposition::Retry => {
                "If it stays, look at the disk and its cable or network. An agent tries again by itself; a command is run again."
            }
            Disposition::NotFound => "If the object must be there, run `rozenctl check`.",
            Disposition::Full => {
                "Free or add space at the target (or raise the quota). An agent then goes on by itself; a command is run again."
            }
            Disposition::ReadOnly => {
                "Mount the target writable; if it turned read-only by itself, check its filesystem."
            }
            Disposition::Denied => "Let the user that runs the backup write to the target's directory.",
            Disposition::Permanent => "Look at the target's filesystem and its messages in the system log.",
            Disposition::Spool => "The next backup reads and packs again what was lost from the spool.",
        }
    }
}

/// Unknown errors are tried again: tries are bounded, giving up at once is not undone.
fn of_io(error: &io::Error) -> Disposition {
    let Some(errno) = Errno::from_io_error(error) else { return Disposition::Retry };
    match errno {
        Errno::NOSPC | Errno::DQUOT => Disposition::Full,
        Errno::ROFS => Disposition::ReadOnly,
        Errno::ACCESS | Errno::PERM => Disposition::Denied,
        Errno::NOTDIR
        | Errno::ISDIR
        | Errno::LOOP
        | Errno::NAMETOOLONG
        | Errno::INVAL
        | Errno::FBIG
        | Errno::MLINK
        | Errno::XDEV
        | Errno::OPNOTSUPP
        | Errno::NOSYS => Disposition::Permanent,
        _ => Disposition::Retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_errors_are_sorted_by_what_helps() {
        let of = |errno: Errno| StoreError::io(Verb::Put, "x", errno).disposition();
        assert_eq!(of(Errno::NOSPC), Disposition::Full);
        assert_eq!(of(Errno::DQUOT), Disposition::Full);
        assert_eq!(of(Errno::ROFS), Disposition::ReadOnly);
        assert_eq!(of(Errno::ACCESS), Disposition::Denied);
        assert_eq!(of(Errno::NAMETOOLONG), Disposition::Permanent);
        assert_eq!(of(Errno::IO), Disposition::Retry);
        assert_eq!(StoreError::io(Verb::Put, "x", io::Error::other("?")).disposition(), Disposition::Retry);
    }

    #[test]
    fn who_may_not_read_is_not_told_to_let_somebody_write() {
        let remedy = |verb| StoreError::io(verb, "x", Errno::ACCESS).remedy();
        assert!(remedy(Verb::Get).contains("may read") && remedy(Verb::List).contains("may read"));
        assert!(remedy(Verb::Put).contains("write"));
    }

    #[test]
    fn what_concerns_one_object_says_nothing_about_the_target_and_the_other_way_round() {
        let name = || ObjectName::parse("packs/ab").unwrap();
        let s3 = |source| StoreError::S3 { verb: Verb::Get, what: "x".into(), bucket: "b".into(), source };
        let refused = || S3Refusal::Refused { status: 400, code: "InvalidArgument".into(), message: String::new() };
        for error in [
            StoreError::TargetGone { place: "/x".into() },
            s3(S3Refusal::NoSuchBucket),
            s3(S3Refusal::Garbled("?".into())),
            s3(refused()),
        ] {
            assert!(error.is_of_target(), "{error:?}");
        }
        for error in [
            StoreError::NotFound { name: name() },
            StoreError::TooLarge { name: name(), size: 2, limit: 1 },
            StoreError::OutOfRange { name: name(), offset: 1, len: 1, size: 1 },
            StoreError::Archived { name: name() },
            StoreError::NotAFile { name: name() },
            StoreError::io(Verb::Get, "packs/ab", Errno::IO),
        ] {
            assert!(!error.is_of_target(), "{error:?}");
        }
    }

    #[test]
    fn a_disk_that_cannot_read_is_to_be_copied_and_nobody_waits_for_it() {
        for errno in [Errno::IO, Errno::UCLEAN, Errno::BADMSG] {
            let of = |verb| StoreError::io(verb, "packs/ab", errno);
            assert!(of(Verb::GetRange).is_of_medium() && of(Verb::List).is_of_medium() && of(Verb::Get).is_of_object());
            assert!(of(Verb::Get).remedy().contains("ddrescue"));
            assert!(!of(Verb::Put).is_of_medium());
        }
        assert!(!StoreError::io(Verb::Get, "x", Errno::TIMEDOUT).is_of_medium());
        assert!(!StoreError::io(Verb::Get, "x", Errno::TIMEDOUT).is_of_object());
        assert!(!StoreError::io(Verb::Get, "x", Errno::ACCESS).is_of_object());
        assert!(StoreError::io(Verb::Get, "x", Errno::LOOP).is_of_object());
    }

    #[test]
    fn a_refusal_is_about_the_request_and_nothing_that_passes_or_concerns_all_requests() {
        let s3 = |source| StoreError::S3 { verb: Verb::PutPart, what: "x".into(), bucket: "b".into(), source };
        let refused = S3Refusal::Refused { status: 400, code: "EntityTooLarge".into(), message: String::new() };
        assert!(s3(refused).is_refusal());
        assert!(s3(S3Refusal::WholeDiffers { code: "BadDigest".into() }).is_refusal());
        for source in [S3Refusal::NoSuchBucket, S3Refusal::UnknownKey, S3Refusal::Garbled(String::new())] {
            assert!(!s3(source).is_refusal());
        }
    }

    #[test]
    fn an_error_does_not_repeat_its_source() {
        let error = StoreError::io(Verb::Put, "packs/ab", Errno::NOSPC);
        assert_eq!(error.to_string(), "cannot store packs/ab in the target");
        assert!(std::error::Error::source(&error).is_some());
    }
}
