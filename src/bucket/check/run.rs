//! A whole check: is it a bucket that answers, its settings, the tries, the report.

use super::{Ask, probe, read};
use crate::bucket::Report;
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

/// Refusals that say something about a right or a server's knowledge are for the report; a wrong key, a missing bucket
/// or a dead server are not.
fn answers(ask: &Ask<'_>) -> Result<(), StoreError> {
    let question = ask.s3().get_bucket_versioning().bucket(ask.bucket());
    match ask.send(question.clone().send()) {
        Ok(_) => Ok(()),
        Err(refusal) if refusal.is_forbidden() || refusal.is_not_supported() => Ok(()),
        // asked again, as the words for people consume the answer
        Err(_) => {
            ask.client.run(question.send()).map(drop).map_err(|error| ask.client.error(Verb::Open, "the bucket", error))
        }
    }
}
