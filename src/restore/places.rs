//! Where a restore must not go, and where it cannot.

use std::path::{Path, PathBuf};

use super::RestoreError;
use super::plan::{Plan, PlannedRoot};
use crate::model::{Problem, ProblemCode};
use crate::source::DestinationError;
use crate::store::{Store, StoreUrl};

/// Files among the objects of a repository would be taken for damage, and for objects by whoever cleans up.
pub(super) fn refuse_repository(store: &Store, roots: &[PlannedRoot]) -> Result<(), RestoreError> {
    let Ok(StoreUrl::Dir(repository)) = StoreUrl::parse(store.place()) else { return Ok(()) };
    let Ok(repository) = repository.canonicalize() else { return Ok(()) };
    match roots.iter().find(|root| resolved(&root.place).starts_with(&repository)) {
        Some(root) => Err(RestoreError::InRepository { path: root.place.clone(), repository }),
        None => Ok(()),
    }
}

/// Roots whose places cannot be written to: one costs none of the others, unless there are no others.
pub(super) struct Refused {
    others: usize,
}

impl Refused {
    pub fn new(plan: &Plan) -> Self {
        Self { others: plan.roots.len() }
    }

    /// What a person is told of it; what says something about all roots stays an error.
    pub fn problem(&mut self, root: &PlannedRoot, error: RestoreError) -> Result<Problem, RestoreError> {
        self.others -= 1;
        if self.others == 0 || !matches!(error, RestoreError::Destination(DestinationError::Root { .. })) {
            return Err(error);
        }
        let problem = Problem::of_error(ProblemCode::RootUnavailable, &root.path, &error, error.remedy());
        Ok(Problem { message: format!("{}; nothing of this folder is restored", problem.message), ..problem })
    }
}

/// Without links, as far as it is there.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    for above in absolute.ancestors() {
        if let Ok(there) = above.canonicalize() {
            let rest = absolute.strip_prefix(above).expect("it is an ancestor");
            return there.join(rest);
        }
    }
    absolute
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_yet_is_resolved_as_far_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap();
        std::os::unix::fs::symlink(&real, real.join("link")).unwrap();
        assert_eq!(resolved(&dir.path().join("link/new/deep")), real.join("new/deep"));
        assert_eq!(resolved(&real.join("new/")), real.join("new"));
    }
}
