//! The policies that we recommend, one for each role. What each role needs and why stands in docs/targets.md.

use super::document::{Policy, Statement};
use crate::bucket::{Place, Whose};

/// Whom a policy is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Role {
    /// A machine that backs up: adds objects below its own folder, and can take nothing back.
    Uploader(Whose),
    /// A host that is to prepare a prune: reads all, adds below its own folder. It deletes nothing: it writes down what may go,
    /// and the admin, who can tell, deletes.
    Gc(Whose),
    /// A person: reads, deletes, thaws, changes the bucket.
    Admin,
    /// The bucket itself; holds whatever the policies of users say. The ARNs of the machines' users or roles, where
    /// they are known, forbid them by name what their own policies do not allow.
    Bucket { uploaders: Vec<String> },
}

/// What lets somebody store objects. A begun upload may be ended by who began it.
const STORE: [&str; 3] = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"];

/// What `rozenctl target check` reads. Changes nothing, tells nothing about backups.
const SEE_SETTINGS: [&str; 10] = [
    "s3:GetBucketLocation",
    "s3:GetBucketVersioning",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetBucketPolicy",
    "s3:GetBucketPolicyStatus",
    "s3:GetBucketAcl",
    "s3:GetBucketOwnershipControls",
    "s3:GetEncryptionConfiguration",
    "s3:GetBucketObjectLockConfiguration",
    "s3:GetLifecycleConfiguration",
];

/// What takes stored objects away, at once or later (tags and lifecycle rules make them expire, replication brings
/// deletes from elsewhere), or makes them anybody's.
const TAKE_AWAY: [&str; 20] = [
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:DeleteObjectTagging",
    "s3:DeleteObjectVersionTagging",
    "s3:PutObjectTagging",
    "s3:PutObjectVersionTagging",
    "s3:PutObjectAcl",
    "s3:PutObjectVersionAcl",
    "s3:PutObjectRetention",
    "s3:PutObjectLegalHold",
    "s3:BypassGovernanceRetention",
    "s3:PutLifecycleConfiguration",
    "s3:PutBucketVersioning",
    "s3:PutBucketPolicy",
    "s3:DeleteBucketPolicy",
    "s3:PutBucketAcl",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketObjectLockConfiguration",
    "s3:PutReplicationConfiguration",
    "s3:DeleteBucket",
];

const REPLICATE: [&str; 3] = ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"];

const CHANGE_SETTINGS: [&str; 9] = [
    "s3:CreateBucket",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketOwnershipControls",
    "s3:PutBucketVersioning",
    "s3:PutBucketObjectLockConfiguration",
    "s3:PutLifecycleConfiguration",
    "s3:PutBucketPolicy",
    "s3:PutEncryptionConfiguration",
    "s3:PutBucketAcl",
];

/// Folders of a machine that it writes to itself; certificates come from an admin.
const WRITTEN: [&str; 5] = ["packs", "trees", "index", "snapshots", "config"];

/// The policy for a role.
pub fn policy(role: &Role, place: &Place) -> Policy {
    Policy::new(match role {
        Role::Uploader(whose) => uploader(*whose, place),
        Role::Gc(whose) => gc(*whose, place),
        Role::Admin => admin(place),
        Role::Bucket { uploaders } => bucket(uploaders, place),
    })
}

fn uploader(whose: Whose, place: &Place) -> Vec<Statement> {
    let own = whose.folder();
    // to know again what it stored when its local state was lost; never packs
    let book_keeping = ["certificates/*", "index/*", "snapshots/*"].map(|name| format!("{own}/{name}"));
    let readable = std::iter::once("rozen.json".to_owned()).chain(book_keeping);
    let listed = [format!("{own}/*"), "probe/*".to_owned(), "rozen.json".to_owned()];
    vec![
        store(&own, place),
        Statement::allow("ReadOwnRecords", &["s3:GetObject"], readable.map(|name| place.object_arn(&name)).collect()),
        list(&listed, place),
        see(place),
        never_takes_away(place),
        only_new(place),
    ]
}

fn gc(whose: Whose, place: &Place) -> Vec<Statement> {
    let readable = ["rozen.json", "machines/*", "admin/*"].map(|name| place.object_arn(name));
    vec![
        store(&whose.folder(), place),
        Statement::allow("ReadAll", &["s3:GetObject"], readable.to_vec()),
        list(&["*".to_owned()], place),
        see(place),
        never_takes_away(place),
        only_new(place),
    ]
}

/// Not in it: to go past a lock, which must hold against stolen credentials of an admin too.
fn admin(place: &Place) -> Vec<Statement> {
    let mut objects = STORE.to_vec();
    objects.extend(["s3:GetObject", "s3:GetObjectVersion", "s3:RestoreObject"]);
    objects.extend(["s3:DeleteObject", "s3:DeleteObjectVersion"]);
    let mut settings = SEE_SETTINGS.to_vec();
    settings.extend(CHANGE_SETTINGS);
    settings.extend(["s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"]);
    vec![
        Statement::allow("Objects", &objects, vec![place.object_arn("*")]),
        Statement::allow("Bucket", &settings, vec![place.bucket_arn()]),
    ]
}

fn bucket(uploaders: &[String], place: &Place) -> Vec<Statement> {
    let mut statements = Vec::new();
    if place.can_demand_tls() {
        statements.push(tls_only(place).for_anyone());
    }
    statements.push(only_new(place).for_anyone());
    // it would write and delete here without any of the rights above
    statements.push(Statement::deny("NoReplicationInto", &REPLICATE, vec![place.object_arn("*")]).for_anyone());
    if !uploaders.is_empty() {
        statements.push(never_takes_away(place).for_arns(uploaders));
    }
    statements
}

fn store(folder: &str, place: &Place) -> Statement {
    let names = WRITTEN.iter().map(|kind| format!("{folder}/{kind}/*")).chain(["probe/*".to_owned()]);
    Statement::allow("AddObjects", &STORE, names.map(|name| place.object_arn(&name)).collect())
}

fn list(names: &[String], place: &Place) -> Statement {
    let prefixes: Vec<String> = names.iter().map(|name| place.key(name)).collect();
    Statement::allow("ListOwn", &["s3:ListBucket"], vec![place.bucket_arn()]).when("StringLike", "s3:prefix", &prefixes)
}

/// A list of begun uploads cannot be cut down to a folder; it holds names, which say nothing.
fn see(place: &Place) -> Statement {
    let mut actions = vec!["s3:ListBucketMultipartUploads"];
    actions.extend(SEE_SETTINGS);
    Statement::allow("SeeSettings", &actions, vec![place.bucket_arn()])
}

fn tls_only(place: &Place) -> Statement {
    let everything = vec![place.bucket_arn(), format!("{}/*", place.bucket_arn())];
    Statement::deny("TlsOnly", &["s3:*"], everything).when("Bool", "aws:SecureTransport", &["false".to_owned()])
}

fn never_takes_away(place: &Place) -> Statement {
    let everything = vec![place.bucket_arn(), format!("{}/*", place.bucket_arn())];
    Statement::deny("NeverTakesAway", &TAKE_AWAY, everything)
}

/// Beginning an upload and sending its parts make no object and cannot carry the condition: they are let through.
fn only_new(place: &Place) -> Statement {
    Statement::deny("OnlyNewObjects", &["s3:PutObject"], vec![place.object_arn("*")])
        .when("Null", "s3:if-none-match", &["true".to_owned()])
        .when("Bool", "s3:ObjectCreationOperation", &["true".to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MachineId;

    #[test]
    fn every_policy_fits_into_what_aws_takes() {
        let place = Place::new("b".repeat(63), &"p".repeat(100), None);
        let whose = Whose::One(MachineId([7; 16]));
        let arn = "arn:aws:iam::123456789012:user/rozen".to_owned();
        for role in [Role::Uploader(whose), Role::Gc(whose), Role::Admin, Role::Bucket { uploaders: vec![arn] }] {
            let size = policy(&role, &place).to_json().split_whitespace().map(str::len).sum::<usize>();
            // a managed policy; a bucket's may have 20 KiB
            assert!(size <= 6144, "{role:?}: {size}");
        }
    }

    #[test]
    fn nobody_is_locked_out_of_an_endpoint_of_plain_http() {
        let demands_tls = |endpoint| {
            let place = Place::new("b", "p", None).through(endpoint);
            let statements = policy(&Role::Bucket { uploaders: vec![] }, &place).statement;
            statements.iter().any(|statement| statement.sid == "TlsOnly")
        };
        assert!(demands_tls(None) && demands_tls(Some("https://nas:9000")));
        assert!(!demands_tls(Some("http://nas:9000")) && !demands_tls(Some("http://127.0.0.1:9000")));
    }

    #[test]
    fn names_of_statements_are_letters_and_digits_and_stand_once() {
        let place = Place::new("b", "p", None);
        for role in [Role::Uploader(Whose::All), Role::Gc(Whose::All), Role::Admin, Role::Bucket { uploaders: vec![] }]
        {
            let statements = policy(&role, &place).statement;
            let mut names: Vec<&str> = statements.iter().map(|statement| statement.sid.as_str()).collect();
            assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_alphanumeric()) && !name.is_empty()));
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), statements.len());
        }
    }
}
