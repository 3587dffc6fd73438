//! Policies as IAM evaluates them, as far as backups need it: an explicit deny wins, then an allow, else silence.
//!
//! Knows Effect, Principal, (Not)Action, (Not)Resource and the condition operators of [`OPERATORS`], each also with
//! `IfExists`. [`check`] refuses what is not known here, so that no test believes in a condition that nobody reads.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What somebody wants to do.
#[derive(Clone, Debug)]
pub struct Call {
    /// ARN of the user; `None` for the anonymous.
    pub principal: Option<String>,
    /// `s3:PutObject`
    pub action: String,
    /// `arn:aws:s3:::bucket/key`
    pub resource: String,
    /// Condition keys that the request has.
    pub context: BTreeMap<String, String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    Denied,
    Allowed,
    Silent,
}

const OPERATORS: [&str; 9] = [
    "StringEquals",
    "StringNotEquals",
    "StringLike",
    "StringNotLike",
    "ArnLike",
    "ArnEquals",
    "Bool",
    "Null",
    "NumericLessThan",
];

/// Over all policies together.
pub fn decide<'a>(policies: impl IntoIterator<Item = &'a Value>, call: &Call) -> Decision {
    let statements = policies.into_iter().flat_map(statements);
    statements.filter(|statement| applies(statement, call)).fold(Decision::Silent, |so_far, statement| {
        match (so_far, statement["Effect"].as_str()) {
            (Decision::Denied, _) | (_, Some("Deny")) => Decision::Denied,
            _ => Decision::Allowed,
        }
    })
}

/// Whether all of it can be evaluated here.
pub fn check(policy: &Value) -> Result<(), String> {
    if policy["Statement"].is_null() {
        return Err("a policy has statements".to_owned());
    }
    for statement in statements(policy) {
        let fields = statement.as_object().ok_or("a statement is an object")?;
        if !matches!(statement["Effect"].as_str(), Some("Allow" | "Deny")) {
            return Err("Effect is Allow or Deny".to_owned());
        }
        let known = ["Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
        if let Some(unknown) = fields.keys().find(|field| !known.contains(&field.as_str())) {
            return Err(format!("the field {unknown} is not known"));
        }
        for operator in conditions(statement).keys() {
            let plain = operator.strip_suffix("IfExists").unwrap_or(operator);
            if !OPERATORS.contains(&plain) {
                return Err(format!("the condition {operator} is not known"));
            }
        }
    }
    Ok(())
}

/// Whether it allows something to everybody without a condition.
pub fn is_public(policy: &Value) -> bool {
    statements(policy).any(|statement| {
        let principal = &statement["Principal"];
        let all = principal == "*" || words(&principal["AWS"]).any(|name| name == "*");
        statement["Effect"] == "Allow" && all && conditions(statement).is_empty()
    })
}

fn statements(policy: &Value) -> impl Iterator<Item = &Value> {
    match &policy["Statement"] {
        Value::Array(all) => all.iter(),
        one => std::slice::from_ref(one).iter(),
    }
}

fn applies(statement: &Value, call: &Call) -> bool {
    let has = |field: &str| !statement[field].is_null();
    let action =
        |field: &str| words(&statement[field]).any(|word| is_like(&word.to_lowercase(), &call.action.to_lowercase()));
    let resource = |field: &str| words(&statement[field]).any(|word| is_like(&word, &call.resource));
    (!has("Principal") || is_principal(&statement["Principal"], call.principal.as_deref()))
        && if has("NotAction") { !action("NotAction") } else { action("Action") }
        && if has("NotResource") { !resource("NotResource") } else { resource("Resource") }
        && conditions(statement).iter().all(|(operator, keys)| {
            let keys = keys.as_object().into_iter().flatten();
            keys.into_iter().all(|(key, values)| holds(operator, call.context.get(key), values))
        })
}

fn is_principal(principal: &Value, caller: Option<&str>) -> bool {
    let named = |name: String| {
        // the account means all of its users
        name == "*" || caller.is_some_and(|arn| name == arn || (name.ends_with(":root") && same_account(&name, arn)))
    };
    principal == "*" || words(&principal["AWS"]).any(named)
}

fn same_account(one: &str, other: &str) -> bool {
    one.split(':').nth(4) == other.split(':').nth(4)
}

fn conditions(statement: &Value) -> &Map<String, Value> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    statement["Condition"].as_object().unwrap_or(&NONE)
}

fn holds(operator: &str, actual: Option<&String>, values: &Value) -> bool {
    let (plain, if_exists) = operator.strip_suffix("IfExists").map_or((operator, false), |plain| (plain, true));
    if plain == "Null" {
        return words(values).any(|wants_none| (wants_none == "true") == actual.is_none());
    }
    let is_negated = plain.contains("Not");
    let Some(actual) = actual else { return if_exists || is_negated };
    let is_one = words(values).any(|value| match plain {
        "StringLike" | "StringNotLike" | "ArnLike" | "ArnEquals" => is_like(&value, actual),
        "Bool" => value.eq_ignore_ascii_case(actual),
        "NumericLessThan" => matches!((actual.parse::<f64>(), value.parse::<f64>()), (Ok(a), Ok(b)) if a < b),
        _ => value == *actual,
    });
    is_one != is_negated
}

/// A string or a list of them; booleans and numbers count as their text.
fn words(value: &Value) -> impl Iterator<Item = String> {
    let all = match value {
        Value::Null => &[],
        Value::Array(all) => all.as_slice(),
        one => std::slice::from_ref(one),
    };
    all.iter().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned))
}

/// `*` stands for any text, `?` for one byte.
fn is_like(pattern: &str, text: &str) -> bool {
    fn like(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => (0..=text.len()).any(|at| like(rest, &text[at..])),
            (Some((b'?', pattern)), Some((_, text))) => like(pattern, text),
            (Some((one, pattern)), Some((other, text))) => one == other && like(pattern, text),
            _ => false,
        }
    }
    like(pattern.as_bytes(), text.as_bytes())
}
