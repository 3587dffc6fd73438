//! The language of policies as AWS writes and reads it: what we print, and what we understand of what others wrote.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// A policy of a bucket or of a user.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Policy {
    #[serde(default)]
    pub version: String,
    #[serde(deserialize_with = "one_or_many")]
    pub statement: Vec<Statement>,
}

/// One rule. Lists that are empty do not stand in the text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sid: String,
    pub effect: Effect,
    /// `None` in the policy of a user: it speaks of whoever has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_principal: Option<Principal>,
    #[serde(default, deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub action: Vec<String>,
    #[serde(default, deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub not_action: Vec<String>,
    #[serde(default, deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub resource: Vec<String>,
    #[serde(default, deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub not_resource: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub condition: BTreeMap<String, BTreeMap<String, Values>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Effect {
    Allow,
    Deny,
}

/// Whom a statement of a bucket's policy means.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Principal {
    /// `"*"`: everybody, also without credentials.
    Anyone(String),
    /// By kind: `AWS`, `Service`, `Federated`, …
    Named(BTreeMap<String, Values>),
}

/// One text or several; numbers and truth values are read as their text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Values(#[serde(deserialize_with = "texts")] pub Vec<String>);

impl Policy {
    /// The version of the language, not of the policy.
    const LANGUAGE: &str = "2012-10-17";

    pub fn new(statement: Vec<Statement>) -> Self {
        Self { version: Self::LANGUAGE.to_owned(), statement }
    }

    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Ready to paste.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("it holds only texts and lists of texts")
    }
}

impl Statement {
    pub fn allow(sid: &str, action: &[&str], resource: Vec<String>) -> Self {
        Self::new(sid, Effect::Allow, action, resource)
    }

    pub fn deny(sid: &str, action: &[&str], resource: Vec<String>) -> Self {
        Self::new(sid, Effect::Deny, action, resource)
    }

    fn new(sid: &str, effect: Effect, action: &[&str], resource: Vec<String>) -> Self {
        Self {
            sid: sid.to_owned(),
            effect,
            principal: None,
            not_principal: None,
            action: action.iter().map(|action| (*action).to_owned()).collect(),
            not_action: Vec::new(),
            resource,
            not_resource: Vec::new(),
            condition: BTreeMap::new(),
        }
    }

    /// Of a bucket's policy: for everybody.
    pub fn for_anyone(mut self) -> Self {
        self.principal = Some(Principal::Anyone("*".to_owned()));
        self
    }

    /// Of a bucket's policy: for these users or roles.
    pub fn for_arns(mut self, arns: &[String]) -> Self {
        self.principal = Some(Principal::Named([("AWS".to_owned(), Values(arns.to_vec()))].into()));
        self
    }

    /// It holds only when this does too.
    pub fn when(mut self, operator: &str, key: &str, values: &[String]) -> Self {
        self.condition.entry(operator.to_owned()).or_default().insert(key.to_owned(), Values(values.to_vec()));
        self
    }
}

fn one_or_many<'de, D, T>(input: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany<T> {
        Many(Vec<T>),
        One(T),
    }
    Ok(match OneOrMany::deserialize(input)? {
        OneOrMany::Many(all) => all,
        OneOrMany::One(one) => vec![one],
    })
}

fn texts<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<String>, D::Error> {
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(one_or_many::<D, Value>(input)?.into_iter().map(text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_write_reads_back() {
        let statement = Statement::deny("Tls", &["s3:*"], vec!["arn:aws:s3:::b/*".to_owned()]).for_anyone().when(
            "Bool",
            "aws:SecureTransport",
            &["false".to_owned()],
        );
        let policy = Policy::new(vec![statement]);
        assert_eq!(Policy::parse(&policy.to_json()).unwrap(), policy);
    }

    #[test]
    fn the_short_forms_of_others_are_understood() {
        let text = r#"{"Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::b/*", "Condition": {"Bool": {"aws:SecureTransport": true},
            "NumericLessThan": {"s3:TlsVersion": [1.2]}}}}"#;
        let statement = &Policy::parse(text).unwrap().statement[0];
        assert_eq!(statement.action, ["s3:GetObject"]);
        assert_eq!(statement.condition["Bool"]["aws:SecureTransport"].0, ["true"]);
        assert_eq!(statement.condition["NumericLessThan"]["s3:TlsVersion"].0, ["1.2"]);
        assert_eq!(statement.principal, Some(Principal::Named([("AWS".into(), Values(vec!["*".into()]))].into())));
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for bad in ["", "[]", r#"{"Statement": 1}"#, r#"{"Statement": [{"Effect": "Perhaps"}]}"#] {
            assert!(Policy::parse(bad).is_err(), "{bad}");
        }
    }
}
