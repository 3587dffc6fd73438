//! A path in JSON: text for people, and the exact bytes where text cannot hold them.

use serde::{Deserialize, Serialize};

use crate::model::{base64_decode, base64_encode};

/// Two fields, `path` and, only for bytes that are not UTF-8, `path_b64`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PathText {
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path_b64: Option<String>,
}

impl PathText {
    /// For people: bytes that are no text are shown replaced.
    pub fn text(&self) -> &str {
        &self.path
    }

    /// The exact bytes; `None` when somebody sent base64 that is none.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        match &self.path_b64 {
            Some(encoded) => base64_decode(encoded),
            None => Some(self.path.clone().into_bytes()),
        }
    }
}

impl From<&[u8]> for PathText {
    fn from(bytes: &[u8]) -> Self {
        let path_b64 = std::str::from_utf8(bytes).is_err().then(|| base64_encode(bytes));
        Self { path: String::from_utf8_lossy(bytes).into_owned(), path_b64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn every_path_survives_json(bytes: Vec<u8>) {
            let json = serde_json::to_string(&PathText::from(&bytes[..])).unwrap();
            let back: PathText = serde_json::from_str(&json).unwrap();
            proptest::prop_assert_eq!(back.to_bytes(), Some(bytes));
        }
    }
}
