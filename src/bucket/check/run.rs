//! A whole check: is it a bucket that answers, its settings, the tries, the report.

use aws_sdk_s3::operation::list_objects_v2::builders::ListObjectsV2FluentBuilder;

use super::{Ask, Refusal, probe, read};
use crate::bucket::{PROBES, Report};
use crate::store::{S3Client, StoreError, Verb};

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CheckOptions {
    /// A name that no other check has: the folder of the probe objects.
    pub name: String,
    /// Try storage classes too: one object of some bytes in each, billed for the least time of its class.
    pub classes: bool,
}

/// An error only when the bucket cannot be asked at all; everything else is in the report.
pub fn check(client: &S3Client, options: &CheckOptions) -> Result<Report, StoreError> {
    let ask = Ask::new(client);
    answers(&ask)?;
    let facts = read::read(&ask);
    let tried = probe::probe(&ask, &facts, &options.name, options.classes);
    Ok(Report::new(client.address().to_string(), facts, tried, &ask.place))
}

/// A wrong key, a missing bucket or a dead server are no findings. A missing right is: the report names it.
fn answers(ask: &Ask<'_>) -> Result<(), StoreError> {
    match is_there(ask) {
        Ok(true) => Ok(()),
        Err(refusal) if refusal.is_forbidden() => Ok(()),
        // asked again, as the words for people consume the answer
        Ok(false) | Err(_) => ask
            .client
            .run(question(ask).send())
            .map(drop)
            .map_err(|error| ask.client.error(Verb::Open, "the repository", error)),
    }
}

/// By the one question that every server knows and whose refusal has a code.
pub(in crate::bucket) fn is_there(ask: &Ask<'_>) -> Result<bool, Refusal> {
    match ask.send(question(ask).send()) {
        Err(refusal) if refusal.code == "NoSuchBucket" => Ok(false),
        answer => answer.map(|_| true),
    }
}

/// Allowed to every machine: the list of its probes.
fn question(ask: &Ask<'_>) -> ListObjectsV2FluentBuilder {
    ask.s3().list_objects_v2().bucket(ask.bucket()).prefix(ask.place.key(&format!("{PROBES}/"))).max_keys(1)
}
