//! Servers that a first backup goes to: our own, and those of others that run (`tests/s3-servers`, `ROZEN_S3_SERVERS`).

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::s3fake::{ACCESS_KEY, Program, SECRET_KEY};

pub struct Server {
    pub name: String,
    pub address: SocketAddr,
    pub id: String,
    pub secret: String,
    kind: Kind,
}

enum Kind {
    Own(Box<Program>),
    /// Its directory, as `tests/s3-servers` made it.
    Other(PathBuf),
}

impl Server {
    pub fn own(dir: &Path) -> Self {
        let program = Program::start("serve", dir);
        let address = address(&program.endpoint());
        let (id, secret) = (ACCESS_KEY.to_owned(), SECRET_KEY.to_owned());
        Self { name: "in-process".to_owned(), address, id, secret, kind: Kind::Own(Box::new(program)) }
    }

    pub fn others() -> Vec<Self> {
        let files = std::env::var_os("ROZEN_S3_SERVERS").unwrap_or_default();
        std::env::split_paths(&files).filter(|path| path.exists()).map(|path| Self::other(&path)).collect()
    }

    fn other(file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap();
        let value =
            |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap().to_owned();
        Self {
            name: value("S3_SERVER"),
            address: address(&value("S3_ENDPOINT")),
            id: value("AWS_ACCESS_KEY_ID"),
            secret: value("AWS_SECRET_ACCESS_KEY"),
            kind: Kind::Other(file.parent().unwrap().to_path_buf()),
        }
    }

    /// Whether it keeps over its death what it has acknowledged. Test servers that hold everything in memory do not.
    pub fn outlives_a_kill(&self) -> bool {
        matches!(self.kind, Kind::Own(_)) || self.name == "radosgw"
    }

    /// All its processes at once, as a power cut would; then it serves the same data at the same place.
    pub fn kill_and_restart(&mut self) {
        match &mut self.kind {
            Kind::Own(program) => program.kill_and_restart(),
            Kind::Other(dir) => {
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/s3-servers");
                let mut command = Command::new(script);
                command.args(["restart", &self.name]).env("ROZEN_S3_DIR", dir.parent().unwrap());
                let out = command.output().unwrap();
                assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            }
        }
    }
}

fn address(endpoint: &str) -> SocketAddr {
    endpoint.strip_prefix("http://").unwrap().parse().unwrap()
}
