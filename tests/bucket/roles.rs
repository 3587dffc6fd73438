//! The policies that `rozenctl target policy` prints are enough for what they are for: a machine backs up with its own,
//! an admin restores with theirs.

use std::fs;

use super::lab::{BUCKET, Done, Lab};

/// Set up by the owner, as a person does it; then the machine gets credentials of its own.
struct Backup {
    lab: Lab,
    id: String,
}

impl Backup {
    fn new() -> Self {
        let lab = Lab::new();
        lab.target("owner", &["create", "--yes", "--lock", "30"]).expect(0);
        let root = lab.dir.path().join("root");
        fs::create_dir(&root).unwrap();
        let recovery = lab.dir.path().join("recovery.txt");
        let (root, recovery) = (root.to_str().unwrap(), recovery.to_str().unwrap());
        lab.ctl(&["init", "--repo", &lab.url("owner"), "--root", root, "--recovery-out", recovery]).expect(0);
        let key = lab.keys().into_iter().find(|key| key.contains("/machines/")).unwrap();
        let id = key.split('/').skip_while(|part| *part != "machines").nth(1).unwrap().to_owned();
        Self { lab, id }
    }

    /// From now on with keys of a user that has the policy for `role`.
    fn as_role(&self, role: &str) {
        let printed = self.lab.ctl(&["target", "policy", "--for", role]).expect(0);
        self.lab.add_user(role, vec![serde_json::from_str(&printed.out).unwrap()]);
        let config = fs::read_to_string(self.lab.config()).unwrap();
        let line = config.lines().find(|line| line.starts_with("repository")).unwrap();
        let url = self.lab.url(role);
        fs::write(self.lab.config(), config.replace(line, &format!("repository = {url:?}"))).unwrap();
    }

    fn backup(&self) -> Done {
        self.lab.ctl(&["backup", "--once"])
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.lab.dir.path().join("root").join(name), bytes).unwrap();
    }

    fn packs(&self) -> usize {
        self.lab.keys().iter().filter(|key| key.contains(&format!("machines/{}/packs/", self.id))).count()
    }

    fn restore(&self, to: &str) -> Done {
        let (recovery, to) = (self.lab.dir.path().join("recovery.txt"), self.lab.dir.path().join(to));
        self.lab.ctl(&["restore", "latest", "--recovery", recovery.to_str().unwrap(), "--to", to.to_str().unwrap()])
    }

    fn restored(&self, to: &str, name: &str) -> Vec<u8> {
        fs::read(self.lab.dir.path().join(to).join(name)).unwrap()
    }
}

/// Bytes that do not compress.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    std::iter::repeat_with(|| next().to_le_bytes()).flatten().take(len).collect()
}

#[test]
fn a_machine_backs_up_and_rebuilds_with_its_policy_and_an_admin_restores() {
    let backup = Backup::new();
    backup.as_role("uploader");
    // large enough to go by parts
    let large = noise(40 << 20);
    backup.write("large.bin", &large);
    backup.write("small.txt", b"first");
    backup.backup().expect(0);
    let packs = backup.packs();
    assert!(packs > 0);
    backup.write("small.txt", b"second");
    backup.backup().expect(0);
    // the machine loses its state and knows again what it stored, without reading a pack
    fs::remove_dir_all(backup.lab.dir.path().join("state")).unwrap();
    let before = backup.packs();
    backup.backup().expect(0);
    assert_eq!(backup.packs(), before);
    // the machine's own credentials read nothing back
    let done = backup.restore("by-machine");
    assert_ne!(done.code, 0, "{done:?}");
    backup.as_role("admin");
    backup.restore("by-admin").expect(0);
    assert_eq!(backup.restored("by-admin", "small.txt"), b"second");
    assert!(backup.restored("by-admin", "large.bin") == large);
}

#[test]
fn an_admin_can_bring_back_what_was_deleted() {
    let backup = Backup::new();
    backup.write("small.txt", b"first");
    backup.backup().expect(0);
    let lab = &backup.lab;
    let owner = lab.owner();
    for key in lab.keys() {
        owner.run(owner.sdk().delete_object().bucket(BUCKET).key(key).send()).unwrap();
    }
    assert_ne!(backup.restore("gone").code, 0);
    backup.as_role("admin");
    let admin = lab.client_of("admin");
    let listed = admin.run(admin.sdk().list_object_versions().bucket(BUCKET).send()).unwrap();
    for marker in listed.delete_markers() {
        let delete = admin.sdk().delete_object().bucket(BUCKET).key(marker.key().unwrap());
        admin.run(delete.version_id(marker.version_id().unwrap()).send()).unwrap();
    }
    backup.restore("back").expect(0);
    assert_eq!(backup.restored("back", "small.txt"), b"first");
}
