//! What policies say about a call: a deny wins, what nothing allows is refused.
//!
//! It knows the operators and keys that policies of backups use. What it does not know makes it pessimistic: an unknown
//! condition lets an allow hold and a deny not, so that nothing is called protected that may not be.

use std::collections::BTreeMap;

use super::document::{Effect, Policy, Principal, Statement};

/// One call to the storage, as its policies see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// The ARN of who calls; `None`: nobody in particular, without credentials.
    pub principal: Option<String>,
    /// Such as `s3:PutObject`.
    pub action: String,
    /// The ARN of the bucket or the object.
    pub resource: String,
    /// Condition keys that the call carries.
    pub context: BTreeMap<String, String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    Allowed,
    /// A statement forbids it: no other one can allow it.
    Denied,
    /// Nothing speaks of it, so it is refused.
    NotAllowed,
}

impl Call {
    pub fn new(action: &str, resource: impl Into<String>) -> Self {
        let context = [("aws:SecureTransport".to_owned(), "true".to_owned())].into();
        Self { principal: None, action: action.to_owned(), resource: resource.into(), context }
    }

    pub fn by(mut self, arn: &str) -> Self {
        self.principal = Some(arn.to_owned());
        self
    }

    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.context.insert(key.to_owned(), value.to_owned());
        self
    }

    /// A put or a completion, which makes an object; `if_absent`: only where there is none.
    pub fn create_object(resource: impl Into<String>, if_absent: bool) -> Self {
        let call = Self::new("s3:PutObject", resource).with("s3:ObjectCreationOperation", "true");
        if if_absent { call.with("s3:if-none-match", "*") } else { call }
    }
}

/// What all policies that apply (of the bucket and of the caller) say together.
pub fn decide(policies: &[&Policy], call: &Call) -> Decision {
    let statements = || policies.iter().flat_map(|policy| &policy.statement);
    let holds = |effect| statements().any(|statement| statement.effect == effect && applies(statement, call));
    if holds(Effect::Deny) {
        Decision::Denied
    } else if holds(Effect::Allow) {
        Decision::Allowed
    } else {
        Decision::NotAllowed
    }
}

fn applies(statement: &Statement, call: &Call) -> bool {
    let unknown = statement.effect == Effect::Allow;
    means(statement, call)
        && names(&statement.action, &statement.not_action, |pattern| {
            matches(&pattern.to_lowercase(), &call.action.to_lowercase())
        })
        && names(&statement.resource, &statement.not_resource, |pattern| matches(pattern, &call.resource))
        && statement.condition.iter().all(|(operator, keys)| {
            keys.iter().all(|(key, values)| condition(operator, context(call, key), &values.0).unwrap_or(unknown))
        })
}

fn means(statement: &Statement, call: &Call) -> bool {
    match (&statement.principal, &statement.not_principal) {
        (Some(principal), _) => includes(principal, call.principal.as_deref()),
        (None, Some(others)) => !includes(others, call.principal.as_deref()),
        (None, None) => true,
    }
}

fn includes(principal: &Principal, caller: Option<&str>) -> bool {
    let is = |name: &String| name == "*" || Some(name.as_str()) == caller || is_account_of(name, caller);
    match principal {
        Principal::Anyone(name) => is(name),
        Principal::Named(kinds) => kinds.get("AWS").is_some_and(|names| names.0.iter().any(is)),
    }
}

/// `arn:aws:iam::123456789012:root` and the bare number mean everybody of that account.
fn is_account_of(name: &str, caller: Option<&str>) -> bool {
    let account = |arn: &str| arn.split(':').nth(4).map(str::to_owned);
    let named = match name.strip_suffix(":root") {
        Some(_) => account(name),
        None => Some(name.to_owned()).filter(|name| name.len() == 12 && name.bytes().all(|b| b.is_ascii_digit())),
    };
    named.is_some() && named == caller.and_then(account)
}

fn names(these: &[String], all_but: &[String], matches: impl Fn(&str) -> bool) -> bool {
    if these.is_empty() { !all_but.iter().any(|one| matches(one)) } else { these.iter().any(|one| matches(one)) }
}

/// Keys do not tell capital letters from small ones.
fn context<'a>(call: &'a Call, key: &str) -> Option<&'a str> {
    if key.eq_ignore_ascii_case("aws:PrincipalArn") {
        return call.principal.as_deref();
    }
    call.context.iter().find(|(known, _)| known.eq_ignore_ascii_case(key)).map(|(_, value)| value.as_str())
}

/// `None`: an operator that is not known here.
fn condition(operator: &str, found: Option<&str>, values: &[String]) -> Option<bool> {
    if operator == "Null" {
        return Some(values.iter().any(|value| value == if found.is_none() { "true" } else { "false" }));
    }
    let (operator, absent) = match operator.strip_suffix("IfExists") {
        Some(operator) => (operator, true),
        None => (operator, operator.contains("Not")),
    };
    let test: fn(&str, &str) -> bool = match operator {
        "StringEquals" | "StringNotEquals" => |value, found| value == found,
        "StringLike" | "StringNotLike" => matches,
        "ArnEquals" | "ArnLike" | "ArnNotEquals" | "ArnNotLike" => matches,
        "StringEqualsIgnoreCase" | "StringNotEqualsIgnoreCase" | "Bool" => {
            |value, found| value.eq_ignore_ascii_case(found)
        }
        _ => return None,
    };
    let Some(found) = found else { return Some(absent) };
    Some(values.iter().any(|value| test(value, found)) != operator.contains("Not"))
}

/// `*` stands for any text, `?` for one character.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut from) = (0, 0);
    // where to go on when what came behind the last star does not fit
    let mut retry = None;
    while from < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at, from));
                at += 1;
            }
            Some(one) if *one == b'?' || *one == text[from] => (at, from) = (at + 1, from + 1),
            _ => match retry {
                Some((star, begun)) => {
                    retry = Some((star, begun + 1));
                    (at, from) = (star + 1, begun + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|rest| *rest == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(statements: &str) -> Policy {
        Policy::parse(&format!(r#"{{"Statement": [{statements}]}}"#)).unwrap()
    }

    #[test]
    fn stars_match_any_text_and_nothing_else_does() {
        for (pattern, text) in
            [("*", ""), ("a*c", "abbc"), ("a*b*c", "axbxbc"), ("a?c", "abc"), ("**a", "a"), ("a/*", "a/b/c")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "b"), ("a*c", "ab"), ("a?", "a"), ("", "a"), ("a/*", "a"), ("ab", "abc")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_deny_wins_over_every_allow() {
        let allow = policy(r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}"#);
        let deny = policy(r#"{"Effect": "Deny", "Principal": "*", "Action": "s3:DELETE*", "Resource": "*"}"#);
        let delete = Call::new("s3:DeleteObject", "arn:aws:s3:::b/x");
        assert_eq!(decide(&[&allow], &delete), Decision::Allowed);
        assert_eq!(decide(&[&allow, &deny], &delete), Decision::Denied);
        assert_eq!(decide(&[], &delete), Decision::NotAllowed);
    }

    #[test]
    fn principals_are_users_whole_accounts_or_everybody() {
        let ann = "arn:aws:iam::123456789012:user/ann";
        let call = Call::new("s3:GetObject", "arn:aws:s3:::b/x");
        let says = |principal: &str| {
            policy(&format!(r#"{{"Effect": "Allow", {principal}, "Action": "s3:GetObject", "Resource": "*"}}"#))
        };
        let by = |principal: &str, call: &Call| decide(&[&says(principal)], call) == Decision::Allowed;
        for everybody in [r#""Principal": "*""#, r#""Principal": {"AWS": ["*"]}"#] {
            assert!(by(everybody, &call) && by(everybody, &call.clone().by(ann)), "{everybody}");
        }
        let (user, account) =
            (format!(r#""Principal": {{"AWS": "{ann}"}}"#), r#""Principal": {"AWS": "123456789012"}"#);
        let root = r#""Principal": {"AWS": "arn:aws:iam::123456789012:root"}"#;
        for some in [&user, account, root] {
            assert!(by(some, &call.clone().by(ann)) && !by(some, &call), "{some}");
        }
        assert!(!by(r#""Principal": {"AWS": "999999999999"}"#, &call.clone().by(ann)));
        assert!(by(r#""NotPrincipal": {"AWS": "999999999999"}"#, &call.clone().by(ann)));
        assert!(!by(r#""Principal": {"Service": "x.amazonaws.com"}"#, &call));
    }

    #[test]
    fn conditions_compare_what_the_call_carries() {
        let values = |text: &[&str]| text.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        for (operator, found, value, expected) in [
            ("StringEquals", Some("a"), "a", true),
            ("StringEquals", Some("a"), "*", false),
            ("StringLike", Some("a/b"), "a/*", true),
            ("StringNotLike", Some("a/b"), "a/*", false),
            ("StringNotEquals", None, "a", true),
            ("StringEquals", None, "a", false),
            ("StringEqualsIfExists", None, "a", true),
            ("Bool", Some("true"), "TRUE", true),
            ("Bool", None, "false", false),
            ("Null", None, "true", true),
            ("Null", Some("*"), "true", false),
            ("Null", Some("*"), "false", true),
        ] {
            assert_eq!(condition(operator, found, &values(&[value])), Some(expected), "{operator} {found:?} {value}");
        }
        assert_eq!(condition("DateGreaterThan", Some("x"), &values(&["y"])), None);
    }

    #[test]
    fn what_is_not_understood_protects_from_nothing() {
        let condition = r#""Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#;
        let rule = |effect| {
            format!(r#"{{"Effect": "{effect}", "Principal": "*", "Action": "*", "Resource": "*", {condition}}}"#)
        };
        let call = Call::new("s3:GetObject", "arn:aws:s3:::b/x");
        assert_eq!(decide(&[&policy(&rule("Allow"))], &call), Decision::Allowed);
        assert_eq!(decide(&[&policy(&rule("Deny"))], &call), Decision::NotAllowed);
    }
}
