//! A bucket as it should be; tests change what they are about.

use crate::bucket::facts::{Lock, PolicyFacts, PublicAccessBlock, Retention};
use crate::bucket::{Abilities, Answer, Fact, Facts, LifecycleRule, Outcome, Tried, UploadList, Versioning};

pub fn right_facts() -> Facts {
    let policy = PolicyFacts {
        tls_only: true,
        only_new_objects: true,
        anyone_reads: false,
        anyone_lists: false,
        anyone_writes: false,
    };
    let abort = LifecycleRule { id: "abort".into(), abort_uploads_days: Some(30), ..LifecycleRule::default() };
    Facts {
        public_access_block: Fact::Known(PublicAccessBlock::ALL),
        policy: Fact::Known(Some(policy)),
        policy_is_public: Fact::Known(false),
        grants: Fact::Known(vec![]),
        owner_enforced: Fact::Known(true),
        encryption: Fact::Known(Some("AES256".into())),
        versioning: Fact::Known(Versioning::On),
        lock: Fact::Known(Some(Lock { default: Some(Retention { compliance: true, days: 90 }) })),
        lifecycle: Fact::Known(vec![abort]),
    }
}

pub fn right_tries() -> Tried {
    Tried {
        create: Outcome::Done,
        create_again: Outcome::Prevented,
        complete_again: Outcome::Prevented,
        replace: Outcome::Forbidden,
        replace_by_parts: Outcome::Forbidden,
        delete: Outcome::Forbidden,
        delete_version: Outcome::Forbidden,
        delete_past_lock: Outcome::Forbidden,
        list_by_anyone: Outcome::Forbidden,
        left_behind: vec!["p/probe/x/a".into()],
        abilities: Abilities {
            conditional_put: Answer::Yes,
            conditional_complete: Answer::Yes,
            replaces_unasked: Answer::No,
            repeated_complete: Answer::Yes,
            checksums: vec!["CRC64NVME".into()],
            list_uploads: UploadList::ByPrefix,
            versioning: Answer::Yes,
            lock: Answer::Yes,
            classes: vec![],
        },
    }
}
