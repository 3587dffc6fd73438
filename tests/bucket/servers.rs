//! Servers that others wrote and that are running (`tests/s3-servers start`): what each is known to do is found out.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use rozen::bucket::Answer::{No, Yes};
use rozen::bucket::{Answer, CheckOptions, UploadList, check};
use rozen::store::{S3Client, StoreUrl};

use super::lab::{Lab, write_keys};

/// Files of `KEY=VALUE` lines, separated by colons.
const VARIABLE: &str = "ROZEN_S3_SERVERS";

/// Conditional put, conditional completion, repeated completion, versions; without versions, and with them where there are any.
type Known = (&'static str, [Answer; 4], Option<[Answer; 4]>);
const KNOWN: [Known; 4] = [
    ("ministack", [Yes, Yes, Yes, No], Some([Yes, Yes, Yes, Yes])),
    ("localstack", [Yes, Yes, No, No], Some([Yes, Yes, No, Yes])),
    // it heeds the condition of a put only as long as there are no versions
    ("radosgw", [Yes, No, Yes, No], Some([No, No, Yes, Yes])),
    ("juicefs", [No, No, No, No], None),
];

#[test]
fn what_running_servers_do_is_found_out() {
    let files = std::env::var_os(VARIABLE).unwrap_or_default();
    let mut asked = 0;
    for file in std::env::split_paths(&files).filter(|file| file.exists()) {
        asked += 1;
        find_out(&file);
    }
    if asked == 0 {
        eprintln!("skipped: what running servers do: {VARIABLE} names none (start some: tests/s3-servers start)");
    }
}

fn find_out(file: &Path) {
    let text = std::fs::read_to_string(file).unwrap();
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap().to_owned();
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    write_keys(&keys, &value("AWS_ACCESS_KEY_ID"), &value("AWS_SECRET_ACCESS_KEY"));
    let bucket = format!("rozen-check-{}", std::process::id());
    let url = format!(
        "s3://{bucket}/some/folder?endpoint={}&region={}&credentials={}",
        value("S3_ENDPOINT"),
        value("S3_REGION"),
        keys.display()
    );
    let StoreUrl::S3(address) = StoreUrl::parse(&url).unwrap() else { panic!("{url} is no bucket") };
    let client = S3Client::open(&address).unwrap();
    client.run(client.sdk().create_bucket().bucket(&bucket).send()).unwrap();
    let server = value("S3_SERVER");
    let without = abilities(&client, &server);
    let with = keeps_versions(&client, &bucket).then(|| abilities(&client, &server));
    match KNOWN.iter().find(|(name, ..)| *name == server) {
        Some((_, known_without, known_with)) => assert_eq!((without, with), (*known_without, *known_with), "{server}"),
        None => panic!("a row for {server} is missing in KNOWN: {without:?}, {with:?}"),
    }
}

fn abilities(client: &S3Client, server: &str) -> [Answer; 4] {
    let report = check(client, &CheckOptions { name: "try".into(), classes: true }).unwrap();
    eprintln!("{server}:\n{report}");
    assert!(report.tried.left_behind.is_empty(), "{server}: {:?}", report.tried.left_behind);
    let found = &report.tried.abilities;
    assert_ne!(found.list_uploads, UploadList::Unknown, "{server}");
    [found.conditional_put, found.conditional_complete, found.repeated_complete, found.versioning]
}

/// From now on, if the server knows how.
fn keeps_versions(client: &S3Client, bucket: &str) -> bool {
    use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
    let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let kept = client.run(client.sdk().put_bucket_versioning().bucket(bucket).versioning_configuration(on).send());
    kept.inspect_err(|error| eprintln!("no versions: {error:?}")).is_ok()
}

/// Somebody who waits for a server that does not answer wants to go.
#[test]
fn an_interrupt_ends_what_waits_for_a_bucket_at_once() {
    let lab = Lab::new();
    for command in [&["check"][..], &["create", "--yes"]] {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        silent.set_nonblocking(true).unwrap();
        let (endpoint, keys) = (silent.local_addr().unwrap(), lab.dir.path().join("owner"));
        let url = format!("s3://backups/p?endpoint=http://{endpoint}&region=r&credentials={}", keys.display());
        let mut program = Command::new(env!("CARGO_BIN_EXE_rozenctl"));
        program.arg("target").arg(command[0]).args(["--repo", &url]).args(&command[1..]);
        program.arg("--state").arg(lab.dir.path().join("state")).stderr(Stdio::null());
        let mut child = program.spawn().unwrap();
        let _asked = loop {
            match silent.accept() {
                Ok(asked) => break asked,
                Err(_) => assert_eq!(child.try_wait().unwrap(), None, "{command:?} asks before it ends"),
            }
            std::thread::yield_now();
        };
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{command:?}");
    }
}
