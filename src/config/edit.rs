//! One value of a configuration changed in its text, so that what a person wrote around it stays.

use std::path::Path;

use toml::Value;
use toml::de::DeTable;

use super::section::Document;
use super::{Config, ConfigError};

impl Config {
    /// The same text with another repository; comments and everything else stay. `path` is where errors are said to be.
    pub fn text_with_repository(text: &str, path: &Path, repository: &str) -> Result<String, ConfigError> {
        let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            path: path.into(),
            line: Document::new(text).line_at(error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        let Some(span) = table.get_ref().get("repository").map(|value| value.span()) else {
            return Ok(text.to_owned());
        };
        Ok([&text[..span.start], &Value::from(repository).to_string(), &text[span.end..]].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_repository_is_another_one() {
        let text = "# mine\nrepository = \"/old\" # the disk\n\n[[root]]\nid = \"a\"\npath = \"/repository\"\n";
        let path = Path::new("/etc/rozen.toml");
        let edited = Config::text_with_repository(text, path, "file:///new \"disk\"").unwrap();
        assert_eq!(Config::parse(&edited, path).unwrap().repository, "file:///new \"disk\"");
        assert!(edited.starts_with("# mine\n") && edited.contains("# the disk\n\n[[root]]\nid = \"a\"\n"), "{edited}");
        assert_eq!(Config::text_with_repository("[run]\n", path, "/new").unwrap(), "[run]\n");
        assert!(matches!(Config::text_with_repository("x", path, "/new"), Err(ConfigError::Syntax { line: 1, .. })));
    }
}
