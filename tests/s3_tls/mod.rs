//! TLS in front of a server on the loopback interface, with a certificate of an authority that nobody knows.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Ends with the value.
pub struct Front {
    child: Child,
    port: String,
    authority: PathBuf,
}

impl Front {
    /// `None` where openssl or python3 is missing. The certificates lie in `dir`.
    pub fn start(dir: &Path, endpoint: &str) -> Option<Self> {
        fs::create_dir(dir).unwrap();
        fs::write(dir.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n").unwrap();
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let authority = ["req", "-x509", "-days", "2", "-subj", "/CN=Nobody", "-keyout", "ca.key", "-out", "ca.pem"];
        openssl(dir, &[&authority[..], &key, &["-addext", "basicConstraints=critical,CA:TRUE"]].concat())?;
        openssl(dir, &[&["req", "-subj", "/CN=localhost", "-keyout", "key", "-out", "request"][..], &key].concat())?;
        let signed = ["x509", "-req", "-days", "2", "-in", "request", "-out", "certificate", "-extfile", "names"];
        openssl(dir, &[&signed[..], &["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]].concat())?;

        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/s3_tls/front.py");
        let mut front = Command::new("python3");
        front.arg(script).arg(endpoint.rsplit(':').next().unwrap()).current_dir(dir).stdout(Stdio::piped());
        let mut child = front.spawn().ok()?;
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Some(Self { child, port: port.trim().to_owned(), authority: dir.join("ca.pem") })
    }

    pub fn endpoint(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    pub fn authority(&self) -> &Path {
        &self.authority
    }
}

fn openssl(dir: &Path, arguments: &[&str]) -> Option<()> {
    let out = Command::new("openssl").args(arguments).current_dir(dir).output().ok()?;
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Some(())
}

impl Drop for Front {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
