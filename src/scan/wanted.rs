//! Is anything in a directory wanted? For who does not walk: what an ignore file takes in again is found on the way to it, as it is now.

use super::rules;
use crate::config::exclude::Rules;
use crate::model::RelPath;
use crate::source::{SourceError, View};

/// `view`: of the root as it is, `rules`: of the root. Doubt counts as yes. What only an ignore file leaves out counts as wanted too.
pub fn is_wanted(view: &View, rules: &Rules, dir: &RelPath) -> bool {
    if rules.excludes_with_parents(dir, true).is_none() {
        return true;
    }
    !rules.config().files.is_empty() && is_taken_in(view, rules, dir).unwrap_or(true)
}

fn is_taken_in(view: &View, rules: &Rules, dir: &RelPath) -> Result<bool, SourceError> {
    let mut here = view.open_root()?;
    let mut rules = rules.clone();
    for name in dir.components() {
        rules = rules::with_ignore_files(&rules, &here, |file| here.stat(file).is_ok()).rules;
        let path = here.path().join(name);
        if rules.excludes(&path, true, 0).is_some() {
            return Ok(false);
        }
        if path != *dir {
            here = here.open_child(name)?;
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::exclude::ExcludeConfig;
    use std::fs;

    #[test]
    fn what_an_ignore_file_takes_in_again_is_wanted_and_nothing_else_that_is_excluded() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("proj/sub")).unwrap();
        fs::write(root.path().join("proj/.rozenignore"), "!__pycache__/\n").unwrap();
        let config = ExcludeConfig { globs: vec!["__pycache__/".into(), "out/".into()], ..ExcludeConfig::default() };
        let view = View::live(root.path()).unwrap();
        let is_wanted = |config: &ExcludeConfig, dir: &str| {
            is_wanted(&view, &Rules::compile(config).unwrap(), &RelPath::parse(dir.as_bytes()).unwrap())
        };
        for wanted in ["proj", "proj/__pycache__", "proj/sub/__pycache__", "proj/sub/__pycache__/deep", "gone/dir"] {
            assert!(is_wanted(&config, wanted), "{wanted}");
        }
        for unwanted in ["__pycache__", "out", "proj/out", "proj/sub/out", "out/__pycache__"] {
            assert!(!is_wanted(&config, unwanted), "{unwanted}");
        }
        let no_files = ExcludeConfig { files: vec![], ..config };
        assert!(!is_wanted(&no_files, "proj/__pycache__"));
    }
}
