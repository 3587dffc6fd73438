//! `rozenctl target`: policies to paste, and whether a target is safe.

use crate::lab::Lab;

#[test]
fn a_policy_is_printed_without_any_configuration_and_says_for_whom() {
    let lab = Lab::new();
    let id = "0123456789abcdef0123456789abcdef";
    let args = ["target", "policy", "--for", "uploader", "--repo", "s3://bucket/backups"];
    let done = lab.ctl(&[&args[..], &["--machine", id]].concat()).expect(0);
    assert_eq!(
        done.json()["Statement"][0]["Resource"][0],
        format!("arn:aws:s3:::bucket/backups/machines/{id}/packs/*")
    );
    assert_eq!(done.err, "");
    let all = lab.ctl(&args).expect(0);
    assert!(all.err.contains("folders of all machines"), "{}", all.err);
    assert!(all.json()["Statement"][0]["Resource"][0].as_str().unwrap().ends_with("machines/*/packs/*"));
}

#[test]
fn a_policy_of_this_machine_names_its_folder() {
    let lab = Lab::new();
    lab.init();
    let id = lab.objects("")[0].strip_prefix(lab.path("repo/machines")).unwrap().iter().next().unwrap().to_owned();
    let done = lab.ctl(&["target", "policy", "--for", "uploader", "--repo", "s3://bucket"]).expect(0);
    let id = id.to_str().unwrap();
    assert_eq!(done.json()["Statement"][0]["Resource"][0], format!("arn:aws:s3:::bucket/machines/{id}/packs/*"));
}

#[test]
fn a_bucket_policy_names_whom_it_is_against() {
    let lab = Lab::new();
    let arn = "arn:aws:iam::123456789012:user/laptop";
    let args = ["target", "policy", "--for", "bucket", "--repo", "s3://bucket", "--uploader", arn, "--json"];
    let policy = lab.ctl(&args).expect(0).json();
    assert_eq!(policy["Statement"][3]["Principal"]["AWS"][0], arn);
}

#[test]
fn a_policy_for_no_bucket_is_a_usage_error() {
    let lab = Lab::new();
    lab.ctl(&["target", "policy", "--for", "admin", "--repo", "/mnt/x"]).expect(2).says(&["is no bucket"]);
    let against = ["target", "policy", "--for", "admin", "--repo", "s3://bucket", "--uploader", "x"];
    lab.ctl(&against).expect(2).says(&["--for bucket"]);
}

#[test]
fn a_directory_tells_who_can_delete_and_that_it_shares_a_disk() {
    let lab = Lab::new();
    lab.init();
    let done = lab.ctl(&["target", "check"]).expect(3);
    for text in ["owner and group", "! Delete or replace backups: yes", "on the same disk as what it protects"] {
        assert!(done.out.contains(text), "{text:?} is missing in:\n{}", done.out);
    }
    std::fs::set_permissions(lab.path("repo"), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let done = lab.ctl(&["target", "check", "--json"]).expect(1);
    assert_eq!(done.json()["findings"][0]["code"], "others_can_delete");
    lab.ctl(&["target", "check", "--repo", "nowhere"]).expect(1).says(&["nowhere"]);
}
