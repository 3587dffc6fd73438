//! The settings of excludes: those of all roots, and what one root adds.

use crate::config::Size;

/// What holds for a root, defaults filled in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExcludeConfig {
    /// Lines as in a `.gitignore` at the root.
    pub globs: Vec<String>,
    /// Searched in the whole path below the root.
    pub regex: Vec<String>,
    /// Names of `.gitignore`-style files that hold for the directory they are in and all below.
    pub files: Vec<String>,
    /// A directory that holds one of these is stored without its content.
    pub if_present: Vec<String>,
    /// The same for directories with a valid CACHEDIR.TAG.
    pub caches: bool,
    /// Leave out what has the nodump flag (`chattr +d`).
    pub nodump: bool,
    /// Do not cross into other filesystems.
    pub one_filesystem: bool,
    /// The shipped list (default.txt).
    pub default_list: bool,
    /// Leave out files larger than this.
    pub larger_than: Option<Size>,
}

impl Default for ExcludeConfig {
    fn default() -> Self {
        Self {
            globs: Vec::new(),
            regex: Vec::new(),
            files: vec![".rozenignore".to_owned()],
            if_present: vec![".nobackup".to_owned()],
            caches: true,
            nodump: true,
            one_filesystem: false,
            default_list: true,
            larger_than: None,
        }
    }
}

/// A table `exclude` as it was written: `None` where it says nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ExcludeLayer {
    pub globs: Option<Vec<String>>,
    pub regex: Option<Vec<String>>,
    pub files: Option<Vec<String>>,
    pub if_present: Option<Vec<String>>,
    pub caches: Option<bool>,
    pub nodump: Option<bool>,
    pub one_filesystem: Option<bool>,
    pub default_list: Option<bool>,
    /// `Some(None)` is "off".
    pub larger_than: Option<Option<Size>>,
}

impl ExcludeConfig {
    /// `[exclude]` over the defaults: everything written replaces its default.
    pub(in crate::config) fn replaced_by(mut self, layer: ExcludeLayer) -> Self {
        let lists = [
            (&mut self.globs, &layer.globs),
            (&mut self.regex, &layer.regex),
            (&mut self.files, &layer.files),
            (&mut self.if_present, &layer.if_present),
        ];
        for (ours, theirs) in lists {
            if let Some(list) = theirs {
                ours.clone_from(list);
            }
        }
        self.set_scalars(&layer);
        self
    }

    /// `[root.exclude]` over `[exclude]`: lists are added, all else replaces.
    pub(in crate::config) fn with(&self, layer: &ExcludeLayer) -> Self {
        let mut config = self.clone();
        let lists = [
            (&mut config.globs, &layer.globs),
            (&mut config.regex, &layer.regex),
            (&mut config.files, &layer.files),
            (&mut config.if_present, &layer.if_present),
        ];
        for (ours, theirs) in lists {
            ours.extend(theirs.iter().flatten().cloned());
        }
        config.set_scalars(layer);
        config
    }

    /// The layer that makes `base` into this: the inverse of [`ExcludeConfig::replaced_by`].
    pub(in crate::config) fn as_layer_over(&self, base: &Self) -> ExcludeLayer {
        fn changed<T: Clone + PartialEq>(ours: &T, base: &T) -> Option<T> {
            (ours != base).then(|| ours.clone())
        }
        ExcludeLayer {
            globs: changed(&self.globs, &base.globs),
            regex: changed(&self.regex, &base.regex),
            files: changed(&self.files, &base.files),
            if_present: changed(&self.if_present, &base.if_present),
            caches: changed(&self.caches, &base.caches),
            nodump: changed(&self.nodump, &base.nodump),
            one_filesystem: changed(&self.one_filesystem, &base.one_filesystem),
            default_list: changed(&self.default_list, &base.default_list),
            larger_than: changed(&self.larger_than, &base.larger_than),
        }
    }

    fn set_scalars(&mut self, layer: &ExcludeLayer) {
        for (ours, theirs) in [
            (&mut self.caches, layer.caches),
            (&mut self.nodump, layer.nodump),
            (&mut self.one_filesystem, layer.one_filesystem),
            (&mut self.default_list, layer.default_list),
        ] {
            *ours = theirs.unwrap_or(*ours);
        }
        self.larger_than = layer.larger_than.unwrap_or(self.larger_than);
    }
}
