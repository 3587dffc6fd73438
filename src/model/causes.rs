//! An error in one line.

use std::error::Error;

/// With its causes, each once: some errors say what caused them in their own text.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut last = text.clone();
    let mut source = error.source();
    while let Some(cause) = source {
        let next = cause.to_string();
        if next != last {
            text = format!("{text}: {next}");
            last = next;
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Told {
        text: &'static str,
        source: Option<Box<Told>>,
    }

    #[test]
    fn each_cause_is_told_once() {
        let told = |text, source: Option<Told>| Told { text, source: source.map(Box::new) };
        let error = told("a", Some(told("b", Some(told("b", Some(told("c", None)))))));
        assert_eq!(with_causes(&error), "a: b: c");
    }
}
