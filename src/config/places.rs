//! Where the configuration, the state and the socket are when nobody says otherwise.
//!
//! Pure: the environment is an argument. Root uses the directories of the system, everybody else their own (XDG;
//! `Library` on macOS). A state directory given by hand carries its own socket, so that several agents of one
//! person never meet by accident.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What the places depend on.
pub struct Environment<'a> {
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    pub home: Option<PathBuf>,
    pub is_root: bool,
}

/// What the command line said.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    pub config: Option<PathBuf>,
    pub state: Option<PathBuf>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Places {
    pub config: PathBuf,
    /// Journal, spool, locks.
    pub state: PathBuf,
    /// Socket of the agent and its lock.
    pub runtime: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlacesError {
    #[error(
        "cannot tell where the {what} is: neither {variable} nor a home directory is known; set HOME or give {flag}"
    )]
    NoHome { what: &'static str, variable: &'static str, flag: &'static str },
}

impl Places {
    pub fn resolve(given: &Overrides, environment: &Environment<'_>) -> Result<Self, PlacesError> {
        let config = match given.config.clone().or_else(|| environment.path("ROZEN_CONFIG")) {
            Some(path) => path,
            None => environment.config()?,
        };
        let (state, runtime) = match &given.state {
            Some(state) => (state.clone(), state.join("run")),
            None => {
                let state = environment.state()?;
                let runtime = environment.runtime(&state);
                (state, runtime)
            }
        };
        Ok(Self { config, state, runtime })
    }
}

impl Environment<'_> {
    fn config(&self) -> Result<PathBuf, PlacesError> {
        if self.is_root {
            return Ok("/etc/rozen/rozen.toml".into());
        }
        let fallback = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".config" };
        let base = self.base("XDG_CONFIG_HOME", fallback).ok_or(PlacesError::NoHome {
            what: "configuration",
            variable: "XDG_CONFIG_HOME",
            flag: "--config FILE",
        })?;
        Ok(base.join("rozen/rozen.toml"))
    }

    fn state(&self) -> Result<PathBuf, PlacesError> {
        if self.is_root {
            return Ok("/var/lib/rozen".into());
        }
        let fallback = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/state" };
        let base = self.base("XDG_STATE_HOME", fallback).ok_or(PlacesError::NoHome {
            what: "state directory",
            variable: "XDG_STATE_HOME",
            flag: "--state DIR",
        })?;
        Ok(base.join("rozen"))
    }

    fn runtime(&self, state: &Path) -> PathBuf {
        match self.absolute("XDG_RUNTIME_DIR") {
            _ if self.is_root => "/run/rozen".into(),
            Some(base) => base.join("rozen"),
            None => state.join("run"),
        }
    }

    fn base(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        self.absolute(variable).or_else(|| self.home.as_ref().map(|home| home.join(below_home)))
    }

    /// The XDG specification has relative values ignored.
    fn absolute(&self, variable: &str) -> Option<PathBuf> {
        self.path(variable).filter(|path| path.is_absolute())
    }

    fn path(&self, variable: &str) -> Option<PathBuf> {
        (self.variable)(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(
        given: Overrides,
        variables: &[(&str, &str)],
        home: Option<&str>,
        is_root: bool,
    ) -> Result<Places, PlacesError> {
        let variable = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v));
        Places::resolve(&given, &Environment { variable: &variable, home: home.map(PathBuf::from), is_root })
    }

    fn places(config: &str, state: &str, runtime: &str) -> Result<Places, PlacesError> {
        Ok(Places { config: config.into(), state: state.into(), runtime: runtime.into() })
    }

    #[test]
    fn root_uses_the_directories_of_the_system() {
        let found = resolve(Overrides::default(), &[("XDG_RUNTIME_DIR", "/run/user/0")], None, true);
        assert_eq!(found, places("/etc/rozen/rozen.toml", "/var/lib/rozen", "/run/rozen"));
    }

    #[test]
    #[cfg(not(target_os = "macos"))]
    fn a_person_uses_the_xdg_directories_or_their_defaults() {
        let found = resolve(Overrides::default(), &[("XDG_RUNTIME_DIR", "/run/user/7")], Some("/home/ann"), false);
        assert_eq!(
            found,
            places("/home/ann/.config/rozen/rozen.toml", "/home/ann/.local/state/rozen", "/run/user/7/rozen")
        );
        let set = [("XDG_CONFIG_HOME", "/c"), ("XDG_STATE_HOME", "/s"), ("XDG_RUNTIME_DIR", "relative")];
        assert_eq!(
            resolve(Overrides::default(), &set, None, false),
            places("/c/rozen/rozen.toml", "/s/rozen", "/s/rozen/run")
        );
    }

    #[test]
    fn flags_win_over_variables_and_a_given_state_carries_its_socket() {
        let given = Overrides { config: None, state: Some("/t".into()) };
        assert_eq!(resolve(given, &[("ROZEN_CONFIG", "/v.toml")], None, false), places("/v.toml", "/t", "/t/run"));
        let given = Overrides { config: Some("/f.toml".into()), state: Some("/t".into()) };
        assert_eq!(resolve(given, &[("ROZEN_CONFIG", "/v.toml")], None, true), places("/f.toml", "/t", "/t/run"));
    }

    #[test]
    fn without_any_home_the_error_says_what_to_give() {
        let error = resolve(Overrides::default(), &[], None, false).unwrap_err().to_string();
        assert!(error.contains("XDG_CONFIG_HOME") && error.contains("--config FILE"), "{error}");
    }
}
