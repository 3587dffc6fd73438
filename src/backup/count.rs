//! Counting what a first backup will read, beside it: only a known total makes an ETA true.

use std::sync::atomic::{AtomicBool, Ordering};

use super::agent::Backup;
use super::nodes::LocalNodes;
use super::own::{own_inodes, own_paths};
use super::progress::Progress;
use super::request::{RootPlan, RunRequest};
use crate::scan::{Found, Scan, ScanOptions, Target};
use crate::source::View;
use crate::tree::TreeReader;

impl Backup {
    /// Has anything of these roots never been stored? Then counting is worth its reading of all directories.
    pub fn is_first(&self, request: &RunRequest) -> bool {
        let tree = |root: &RootPlan| self.journal.root_state(&root.id).ok().and_then(|state| state.tree);
        request.roots.iter().any(|root| tree(root).is_none())
    }

    /// Tells `progress` the total, or nothing when it was stopped or could not see everything.
    pub fn count(&self, request: &RunRequest, progress: &Progress, stop: &AtomicBool) {
        let mut total = Some((0, 0));
        for plan in &request.roots {
            total = total.zip(self.count_root(plan, request, stop)).map(|((n, b), (m, c))| (n + m, b + c));
        }
        if let Some((entries, bytes)) = total {
            progress.set_total(entries, bytes);
        }
    }

    /// Entries and bytes, as a run counts them.
    fn count_root(&self, plan: &RootPlan, request: &RunRequest, stop: &AtomicBool) -> Option<(u64, u64)> {
        let view = View::live(&plan.path).ok()?;
        let options = ScanOptions {
            read_all: false,
            rules: plan.rules.clone(),
            own: own_inodes(&request.own_dirs),
            own_paths: own_paths(&request.own_dirs, &plan.path),
            cut_before: None,
        };
        let nodes = LocalNodes { journal: self.journal.clone(), root: plan.id.clone() };
        let mut scan = Scan::new(&view, TreeReader::new(nodes, None), options, Target::everything()).ok()?;
        let (mut entries, mut bytes) = (0, 0);
        let mut sink = |found| {
            match found {
                Found::Read(job) => (entries, bytes) = (entries + 1, bytes + job.stat.size),
                Found::Put { .. } => entries += 1,
                _ => {}
            }
            !stop.load(Ordering::Relaxed)
        };
        while scan.step(&mut sink).ok()? {}
        Some((entries, bytes))
    }
}
