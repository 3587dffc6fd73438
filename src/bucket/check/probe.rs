//! Trying what a thief would try, on objects made for it.

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;

use super::Ask;
use super::probes::{Content, FIRST, ONLY_IF_ABSENT, Probes, SECOND, outcome};
use crate::bucket::{Abilities, Answer, Fact, Facts, Outcome, Tried};

/// `name` is one that no other check has. `classes`: storage classes are tried too, which costs a little.
pub(super) fn probe(ask: &Ask<'_>, facts: &Facts, name: &str, classes: bool) -> Tried {
    let probes = Probes::new(ask, name);
    let list_by_anyone = list_by_anyone(ask);
    let key = probes.key("object");
    let create = put(&probes, &key, FIRST, probes.if_new());
    if !create.is_done() {
        return nothing_tried(create, list_by_anyone);
    }
    let create_again = put(&probes, &key, FIRST, Some(ONLY_IF_ABSENT.to_owned()));
    let complete_again = probes.complete_over(&key, true);
    let replace = put(&probes, &key, SECOND, None);
    let replace_by_parts = probes.complete_over(&key, false);
    let abilities = Abilities {
        conditional_put: heeded(&create_again),
        conditional_complete: heeded(&complete_again),
        replaces_unasked: replaced([&replace, &replace_by_parts]),
        ..abilities(&probes, facts, classes)
    };
    let (delete_version, delete_past_lock) = delete_versions(&probes, facts, &key);
    let delete = outcome(probes.remove(&key, None));
    let left_behind = probes.clean_up(&delete, &delete_version);
    Tried {
        create,
        create_again,
        complete_again,
        replace,
        replace_by_parts,
        delete,
        delete_version,
        delete_past_lock,
        list_by_anyone,
        left_behind,
        abilities,
    }
}

fn put(probes: &Probes<'_>, key: &str, content: Content, condition: Option<String>) -> Outcome {
    let put = probes.put(key, content).content_md5(content.md5);
    outcome(probes.send(key, put.set_if_none_match(condition)))
}

fn nothing_tried(create: Outcome, list_by_anyone: Outcome) -> Tried {
    let not = || Outcome::NotTried { why: "no object could be stored" };
    Tried {
        create,
        create_again: not(),
        complete_again: not(),
        replace: not(),
        replace_by_parts: not(),
        delete: not(),
        delete_version: not(),
        delete_past_lock: not(),
        list_by_anyone,
        left_behind: Vec::new(),
        abilities: Abilities::default(),
    }
}

/// A lock refuses as a missing right does; past it is only tried where there is one.
fn delete_versions(probes: &Probes<'_>, facts: &Facts, key: &str) -> (Outcome, Outcome) {
    let Some(version) = probes.version(key) else {
        let not = || Outcome::NotTried { why: "the bucket keeps no versions" };
        return (not(), not());
    };
    let delete = outcome(probes.remove(key, Some(&version)));
    let locks = facts.lock.is(|lock| lock.as_ref().is_some_and(|lock| lock.default.is_some()));
    if delete.is_done() || !locks {
        return (delete, Outcome::NotTried { why: "there is no lock to go past" });
    }
    let request = probes.ask.s3().delete_object().bucket(probes.ask.bucket()).key(key).version_id(version);
    let past = probes.ask.send(request.bypass_governance_retention(true).send());
    (delete, outcome(past))
}

/// Those that trying does not show by the way.
fn abilities(probes: &Probes<'_>, facts: &Facts, classes: bool) -> Abilities {
    let versioned = probes.version(&probes.key("object")).is_some();
    Abilities {
        repeated_complete: probes.complete_twice(&probes.key("completed")),
        checksums: probes.checksums(),
        list_uploads: probes.lists_uploads(&probes.key("begun")),
        versioning: if versioned { Answer::Yes } else { Answer::No },
        lock: match &facts.lock {
            Fact::Known(lock) if lock.is_some() => Answer::Yes,
            Fact::Known(_) | Fact::NotSupported => Answer::No,
            Fact::NotReadable { .. } | Fact::Failed { .. } => Answer::Unknown,
        },
        classes: if classes { probes.classes() } else { Vec::new() },
        ..Abilities::default()
    }
}

fn replaced(tries: [&Outcome; 2]) -> Answer {
    if tries.iter().any(|tried| tried.is_done()) {
        Answer::Yes
    } else if tries.iter().all(|tried| tried.is_refused()) {
        Answer::No
    } else {
        Answer::Unknown
    }
}

fn heeded(again: &Outcome) -> Answer {
    match again {
        Outcome::Prevented => Answer::Yes,
        Outcome::Done => Answer::No,
        // refused for a missing right: whether the condition alone would have held is not known
        Outcome::Forbidden | Outcome::NotSupported | Outcome::NotTried { .. } | Outcome::Unclear { .. } => {
            Answer::Unknown
        }
    }
}

fn list_by_anyone(ask: &Ask<'_>) -> Outcome {
    let list = ask.s3().list_objects_v2().bucket(ask.bucket()).max_keys(1);
    outcome(ask.send(list.customize().interceptor(Unsigned).send()))
}

/// Sends a request as somebody without credentials would.
#[derive(Debug)]
struct Unsigned;

impl Intercept for Unsigned {
    fn name(&self) -> &'static str {
        "Unsigned"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.request_mut().headers_mut();
        for name in ["authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"] {
            headers.remove(name);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_is_only_what_was_refused_in_every_way() {
        let unclear = Outcome::Unclear { why: "500".into() };
        assert_eq!(replaced([&Outcome::Forbidden, &Outcome::Prevented]), Answer::No);
        assert_eq!(replaced([&Outcome::Forbidden, &unclear]), Answer::Unknown);
        assert_eq!(replaced([&Outcome::Done, &unclear]), Answer::Yes);
    }
}
