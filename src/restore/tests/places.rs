//! Places that cannot be written to.

use super::*;
use crate::source::testing::Mounted;
use crate::source::{Destination, DestinationError};

#[test]
fn in_place_a_folder_whose_disk_is_not_there_costs_none_of_the_others() {
    let mut f = Fixture::new();
    f.file("x", b"x");
    let place = |name: &str| f.dir.path().join(name).to_str().unwrap().to_owned();
    let (a, b, c) = (place("a"), place("disk/b"), place("c"));
    let manifest = f.repo.commit_roots(&[("a", &a, &f.entries), ("b", &b, &f.entries), ("c", &c, &f.entries)]);
    let contents = f.repo.open().contents().unwrap();
    let options = RestoreOptions::new(RestoreTo::InPlace);
    let told = |problems: &[crate::model::Problem]| {
        assert!(problems.iter().all(|problem| problem.remedy.contains("Mount the disk")), "{problems:?}");
        problems.iter().map(|problem| (problem.code, problem.path.clone())).collect::<Vec<_>>()
    };
    let missing = vec![(ProblemCode::RootUnavailable, b.clone())];

    let planned = plan(&contents, &manifest, &options).unwrap();
    assert_eq!((told(&planned.problems), planned.totals.unwrap().files), (missing.clone(), 2));
    let report = run(&contents, &manifest, options.clone(), &Progress::default()).unwrap();
    assert_eq!((told(&report.problems), report.files), (missing, 2));
    assert!(
        [&a, &c].iter().all(|root| Path::new(root).join("x").exists()) && !Path::new(&b).parent().unwrap().exists()
    );

    let alone = RestoreOptions { paths: vec![b"b:x".to_vec()], ..options };
    let planned = plan(&contents, &manifest, &alone).unwrap_err();
    let error = run(&contents, &manifest, alone, &Progress::default()).unwrap_err();
    assert!(planned.remedy().contains("Mount the disk") && error.remedy().contains("Mount the disk"), "{error:?}");
}

#[test]
fn a_read_only_destination_is_refused_before_anything_is_written() {
    let mut f = Fixture::new();
    f.file("x", b"x");
    fs::create_dir(f.to()).unwrap();
    let Some(_mounted) = Mounted::tmpfs_of(&f.to(), c"ro") else { return };
    let manifest = f.repo.commit(&f.entries);
    let contents = f.repo.open().contents().unwrap();
    let planned = plan(&contents, &manifest, &f.options()).unwrap_err();
    let error = run(&contents, &manifest, f.options(), &Progress::default()).unwrap_err();
    for error in [planned, error] {
        assert!(matches!(&error, RestoreError::Destination(DestinationError::Root { .. })), "{error:?}");
        assert!(error.remedy().contains("Mount it so that it can be written"));
    }
}

#[test]
fn a_restore_into_a_folder_that_another_restores_to_or_over_it_is_refused() {
    let mut f = Fixture::new();
    f.file("x", b"x");
    let manifest = f.repo.commit(&f.entries);
    let contents = f.repo.open().contents().unwrap();
    let restore = |path: &str| {
        let options = RestoreOptions::new(RestoreTo::Dir(f.dir.path().join(path)));
        run(&contents, &manifest, options, &Progress::default())
    };
    let is_in_use = |path: &str| {
        let told = restore(path);
        let error = told.err().unwrap_or_else(|| panic!("{path} is in use"));
        assert!(matches!(&error, RestoreError::Destination(DestinationError::InUse { .. })), "{error:?}");
    };
    let place = f.dir.path().join("a/b");
    let other = Destination::create(&place).unwrap().locked(&place).unwrap();
    ["a", "a/b", "a/b/c", "a/b/c/d"].into_iter().for_each(is_in_use);
    ["a/beside", "c"].into_iter().for_each(|beside| assert_eq!(restore(beside).unwrap().files, 1));
    drop(other);
    assert_eq!(restore("a").unwrap().files, 1);
}
