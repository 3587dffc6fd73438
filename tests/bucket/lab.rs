//! A server of our own, users with keys in files, and the program that asks it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rozen::store::{S3Client, StoreUrl};
use serde_json::{Value, json};

use super::s3fake::{ACCESS_KEY, Control, S3Fake, SECRET_KEY, User};

pub const BUCKET: &str = "backups";
pub const MACHINE: &str = "0123456789abcdef0123456789abcdef";

pub struct Lab {
    pub server: S3Fake,
    pub dir: tempfile::TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Done {
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "standard output:\n{}\nstandard error:\n{}", self.out, self.err);
        self
    }

    /// The result has all these texts in it.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.out.contains(text), "{text:?} is missing in:\n{}\n{}", self.out, self.err);
        }
        self
    }
}

impl Lab {
    pub fn new() -> Self {
        let lab = Self { server: S3Fake::start(), dir: tempfile::tempdir().unwrap() };
        write_keys(&lab.dir.path().join("owner"), ACCESS_KEY, SECRET_KEY);
        lab
    }

    /// The target as somebody sees it whose keys are in a file.
    pub fn url(&self, who: &str) -> String {
        let (endpoint, keys) = (self.server.endpoint(), self.dir.path().join(who));
        format!("s3://{BUCKET}/some/folder?endpoint={endpoint}&region=us-east-1&credentials={}", keys.display())
    }

    /// `rozenctl target …` as somebody.
    pub fn target(&self, who: &str, args: &[&str]) -> Done {
        let (command, rest) = args.split_first().unwrap();
        self.ctl(&[&["target", command, "--repo", &self.url(who)], rest].concat())
    }

    pub fn ctl(&self, args: &[&str]) -> Done {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rozenctl"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.dir.path());
        command.args(args).arg("--config").arg(self.config()).arg("--state").arg(self.dir.path().join("state"));
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let done =
            Done { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) };
        assert!(!done.err.contains("panicked"), "{}", done.err);
        done
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("rozen.toml")
    }

    /// A user with these policies, its keys in a file of its name.
    pub fn add_user(&self, name: &str, policies: Vec<Value>) {
        let (access_key, secret_key) = (format!("AKIA{}", name.to_uppercase()), format!("secret of {name}"));
        write_keys(&self.dir.path().join(name), &access_key, &secret_key);
        self.server.add_user(User { access_key, secret_key, name: name.to_owned(), policies, expired: false });
    }

    /// A user as `rozenctl target policy --for uploader` makes one, named `machine`.
    pub fn add_machine(&self) {
        let policy = self.target("owner", &["policy", "--for", "uploader", "--machine", MACHINE]).expect(0);
        self.add_user("machine", vec![serde_json::from_str(&policy.out).unwrap()]);
    }

    /// A user who may do everything that the bucket does not forbid.
    pub fn add_careless(&self) {
        let all = json!({ "Statement": { "Effect": "Allow", "Action": "s3:*", "Resource": "*" } });
        self.add_user("careless", vec![all]);
    }

    /// The owner's way to the bucket, past the program.
    pub fn owner(&self) -> S3Client {
        self.client_of("owner")
    }

    pub fn client_of(&self, who: &str) -> S3Client {
        match StoreUrl::parse(&self.url(who)).unwrap() {
            StoreUrl::S3(address) => S3Client::open(&address).unwrap(),
            url @ StoreUrl::Dir(_) => panic!("{url} is no bucket"),
        }
    }

    /// All keys in the bucket.
    pub fn keys(&self) -> Vec<String> {
        let client = self.owner();
        let listed = client.run(client.sdk().list_objects_v2().bucket(BUCKET).send()).unwrap();
        listed.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect()
    }
}

pub fn write_keys(path: &std::path::Path, id: &str, secret: &str) {
    fs::write(path, format!("{id}\n{secret}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
