//! Real sockets: good clients, bad clients, several clients.

use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::model::{RootId, Seq, StorageClass, Timestamp};
use crate::status::{Agent, BackupAnswer, KindOfUse, Status, StoredUsage, Target, Usage};

struct Setup {
    dir: tempfile::TempDir,
    server: Server,
    asks: mpsc::Receiver<Ask>,
}

impl Setup {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // other users must reach the socket in the test of their rights
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let (sender, asks) = mpsc::channel();
        let ask = move |ask| sender.send(ask).is_ok();
        let server = Server::start(&Endpoint::new(dir.path()), &status(0), ask).unwrap();
        Self { dir, server, asks }
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint::new(self.dir.path())
    }

    fn client(&self) -> Client {
        Client::connect(&self.endpoint()).unwrap()
    }

    /// A connection without manners; the hello is read.
    fn raw(&self) -> BufReader<UnixStream> {
        let stream = UnixStream::connect(self.endpoint().socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut stream = BufReader::new(stream);
        assert_eq!(read(&mut stream).unwrap()["rozen"]["protocol"], PROTOCOL);
        stream
    }

    fn next_ask(&self) -> Ask {
        self.asks.recv_timeout(Duration::from_secs(20)).unwrap()
    }
}

fn status(number: i64) -> Status {
    Status {
        version: "9.9".into(),
        time: Timestamp::new(number, 0),
        agent: Agent::Watching,
        repository: "file:///r".into(),
        target: Target::Unknown,
        limits: Default::default(),
        roots: vec![],
        last_run_cost: None,
        arena: vec![],
        last_merge: None,
        run: None,
        problems: vec![],
        more_problems: 0,
    }
}

/// `None` at the end of the stream.
fn read(stream: &mut BufReader<UnixStream>) -> Option<Value> {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap())
}

fn ask(stream: &mut BufReader<UnixStream>, line: &[u8]) -> Value {
    stream.get_mut().write_all(line).unwrap();
    read(stream).unwrap()
}

#[test]
fn a_client_asks_orders_and_waits() {
    let setup = Setup::new();
    let mut client = setup.client();
    assert_eq!(client.version(), "9.9");
    assert_eq!(client.status().unwrap(), status(0));
    setup.server.publisher().publish(&status(5));
    assert_eq!(client.status().unwrap(), status(5));

    let stored = StoredUsage { class: StorageClass::Glacier, kind: KindOfUse::Content, objects: 2, bytes: 7 };
    let usage = Usage { stored: vec![stored], ..Usage::default() };
    let expected = usage.clone();
    let asking = std::thread::spawn(move || (client.usage(), client.usage(), client));
    for answer in [Ok(usage), Err("the journal cannot be read".to_owned())] {
        let Ask::Usage { reply } = setup.next_ask() else { panic!("no question for the usage") };
        reply.send(answer);
    }
    let (first, second, mut client) = asking.join().unwrap();
    assert_eq!(first.unwrap(), expected);
    assert!(matches!(second, Err(ControlError::Refused(error)) if error.code == ErrorCode::Failed));

    client.pause(Some(Duration::from_secs(60))).unwrap();
    assert!(matches!(setup.next_ask(), Ask::Pause { length: Some(l) } if l.as_secs() == 60));
    client.resume().unwrap();
    assert!(matches!(setup.next_ask(), Ask::Resume));
    assert_eq!(client.backup(&Wish { full: true, ..Wish::default() }).unwrap(), None);
    assert!(matches!(setup.next_ask(), Ask::Backup { wish: Wish { full: true, .. }, reply: None }));

    let done = BackupAnswer::Done { snapshot: Some(Seq(3)), problems: vec![] };
    let waiting = std::thread::spawn(move || {
        client.backup_and_wait(&Wish { accept: vec!["home".parse().unwrap()], ..Wish::default() })
    });
    let Ask::Backup { wish: Wish { accept: roots, .. }, reply: Some(reply) } = setup.next_ask() else {
        panic!("no backup")
    };
    assert_eq!(roots, ["home".parse().unwrap()]);
    reply.send(done.clone());
    assert_eq!(waiting.join().unwrap().unwrap(), done);
}

#[test]
fn who_waits_can_be_ended_from_another_thread() {
    let setup = Setup::new();
    let (client, mut waiting) = (setup.client(), setup.client());
    let (ends_watch, ends_wait) = (client.hang_up().unwrap(), waiting.hang_up().unwrap());
    let (shown, seen) = mpsc::channel();
    let watch = std::thread::spawn(move || {
        client.watch(|_| {
            shown.send(()).unwrap();
            ControlFlow::Continue(())
        })
    });
    seen.recv().unwrap();
    ends_watch.hang_up();
    assert!(matches!(watch.join().unwrap(), Err(ControlError::Interrupted)));
    let wait = std::thread::spawn(move || waiting.backup_and_wait(&Wish::default()));
    let _asked = setup.next_ask();
    ends_wait.hang_up();
    assert!(matches!(wait.join().unwrap(), Err(ControlError::Interrupted)));
}

#[test]
fn while_one_request_waits_the_connection_takes_others() {
    let setup = Setup::new();
    let mut raw = setup.raw();
    raw.get_mut().write_all(b"{\"id\":1,\"method\":\"backup\",\"params\":{\"wait\":true}}\n").unwrap();
    assert_eq!(ask(&mut raw, b"{\"id\":2,\"method\":\"version\"}\n")["id"], 2);
    let Ask::Backup { reply, .. } = setup.next_ask() else { panic!("no backup") };
    drop(reply);
    let answer = read(&mut raw).unwrap();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&1.into(), &"stopping".into()));
}

#[test]
fn an_unknown_root_is_refused_at_once_also_for_who_does_not_wait() {
    let setup = Setup::new();
    let mut raw = setup.raw();
    for key in ["roots", "accept"] {
        let line = format!("{{\"id\":1,\"method\":\"backup\",\"params\":{{\"{key}\":[\"zz\"]}}}}\n");
        let answer = ask(&mut raw, line.as_bytes());
        assert_eq!(answer["result"], serde_json::json!({ "outcome": "unknown_root", "root": "zz" }));
    }
    let root: RootId = "zz".parse().unwrap();
    let refused = setup.client().backup(&Wish { roots: vec![root.clone()], ..Wish::default() }).unwrap();
    assert_eq!(refused, Some(BackupAnswer::UnknownRoot { root }));
    assert!(setup.asks.try_recv().is_err(), "nothing may reach the agent");
}

#[test]
fn watchers_see_every_change_and_each_its_own() {
    let setup = Setup::new();
    let watch = |until: i64| {
        let client = setup.client();
        let (seen, first) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let mut last = 0;
            client
                .watch(|status| {
                    seen.send(()).unwrap();
                    last = status.time.secs;
                    if last >= until { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })
                .unwrap();
            last
        });
        first.recv_timeout(Duration::from_secs(20)).unwrap();
        (thread, first)
    };
    let (one, two) = (watch(3), watch(1));
    (1..=3).for_each(|n| setup.server.publisher().publish(&status(n)));
    assert_eq!((one.0.join().unwrap(), two.0.join().unwrap()), (3, 1));
}

#[test]
fn garbage_is_answered_and_the_connection_goes_on() {
    let setup = Setup::new();
    let mut raw = setup.raw();
    for garbage in [&b"\n"[..], b"hello\n", b"\xff\xfe\0\n", b"{\"id\":1}\n", b"[[[[\n", b"null\n"] {
        assert_eq!(ask(&mut raw, garbage)["error"]["code"], "bad_request");
    }
    assert_eq!(ask(&mut raw, b"{\"id\":7,\"method\":\"reboot\"}\n")["error"]["code"], "unknown_method");
    assert_eq!(ask(&mut raw, b"{\"id\":8,\"method\":\"version\"}\n")["result"]["version"], "9.9");
}

#[test]
fn a_line_without_end_is_cut_off_and_others_are_served() {
    let setup = Setup::new();
    let mut raw = setup.raw();
    let mut writer = raw.get_ref().try_clone().unwrap();
    // the server closes in the middle: writing may fail then
    let flood = std::thread::spawn(move || writer.write_all(&vec![b'x'; 4 << 20]));
    assert_eq!(read(&mut raw).unwrap()["error"]["code"], "line_too_long");
    assert_eq!(setup.client().status().unwrap(), status(0));
    drop(raw);
    let _ = flood.join().unwrap();
}

#[test]
fn half_a_line_at_the_end_is_nothing() {
    let setup = Setup::new();
    let mut raw = setup.raw();
    raw.get_mut().write_all(b"{\"id\":1,\"method\":\"version\"}\n{\"id\":2,\"meth").unwrap();
    raw.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(read(&mut raw).unwrap()["id"], 1);
    assert_eq!(read(&mut raw), None);
}

#[test]
fn a_client_that_does_not_read_gets_a_fresh_state_later() {
    let setup = Setup::new();
    let mut slow = setup.raw();
    slow.get_mut().write_all(b"{\"id\":1,\"method\":\"watch\"}\n").unwrap();
    assert_eq!(read(&mut slow).unwrap()["id"], 1);
    for number in 1..=2000 {
        let mut status = status(number);
        status.repository = format!("{number}{}", "x".repeat(20_000));
        setup.server.publisher().publish(&status);
    }
    let mut lagged = false;
    let mut state = Value::Null;
    while state["time"] != "1970-01-01T00:33:20Z" {
        let mut event = read(&mut slow).unwrap();
        match event["event"].as_str().unwrap() {
            "lagged" => lagged = event["dropped"].as_u64().unwrap() > 0,
            "state" => state = event["status"].take(),
            _ => delta::apply(&mut state, event["changed"].as_object().unwrap().clone()),
        }
    }
    assert!(lagged);
}

#[test]
fn too_many_connections_are_told_so() {
    let setup = Setup::new();
    let mut held: Vec<Client> = Vec::new();
    let refused = loop {
        match Client::connect(&setup.endpoint()) {
            Ok(client) => held.push(client),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, ControlError::Refused(WireError { code: ErrorCode::Busy, .. })), "{refused}");
    assert_eq!(held.len(), 64);
    assert!(held[0].status().is_ok());
}

#[test]
fn other_users_learn_the_version_and_nothing_else() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("skipped: needs root to become another user");
    }
    let setup = Setup::new();
    let endpoint = setup.endpoint();
    let stranger = std::thread::spawn(move || {
        // on Linux this changes this thread alone
        let nobody = rustix::process::Uid::from_raw(65534);
        rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        let mut client = Client::connect(&endpoint).unwrap();
        (client.version().to_owned(), client.status().unwrap_err(), client.backup(&Wish::default()).unwrap_err())
    });
    let (version, status, backup) = stranger.join().unwrap();
    assert_eq!(version, "9.9");
    for error in [status, backup] {
        assert!(matches!(error, ControlError::Refused(WireError { code: ErrorCode::NotPermitted, .. })), "{error}");
    }
    assert!(setup.asks.try_recv().is_err(), "nothing may reach the agent");
}

#[test]
fn a_stale_socket_is_replaced_and_a_second_agent_refused() {
    let dir = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::new(dir.path());
    drop(UnixListener::bind(endpoint.socket()).unwrap());
    assert!(matches!(Client::connect(&endpoint), Err(ControlError::NotRunning { .. })), "nobody listens there");
    let server = Server::start(&endpoint, &status(1), |_| true).unwrap();
    let second = Server::start(&endpoint, &status(2), |_| true).err().unwrap();
    assert!(matches!(second, ControlError::InUse { pid: Some(pid), .. } if pid == std::process::id()), "{second}");
    assert_eq!(Client::connect(&endpoint).unwrap().status().unwrap(), status(1), "the first is untouched");
    server.stop();
    assert!(!endpoint.socket().exists());
    Server::start(&endpoint, &status(3), |_| true).unwrap().stop();
}

#[test]
fn an_agent_that_stops_says_so_to_who_waits() {
    let setup = Setup::new();
    let client = setup.client();
    let (seen, first) = mpsc::channel();
    let watching = std::thread::spawn(move || {
        client.watch(|_| {
            let _ = seen.send(());
            ControlFlow::Continue(())
        })
    });
    first.recv_timeout(Duration::from_secs(20)).unwrap();
    setup.server.stop();
    assert!(matches!(watching.join().unwrap(), Err(ControlError::Gone)));
    assert!(matches!(Client::connect(&Endpoint::new(setup.dir.path())), Err(ControlError::NotRunning { .. })));
}

#[test]
fn an_agent_of_another_protocol_is_not_talked_to() {
    let dir = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::new(dir.path());
    let listener = UnixListener::bind(endpoint.socket()).unwrap();
    for (line, name) in
        [("{\"rozen\":{\"version\":\"2\",\"protocol\":2}}\n", "Protocol"), ("?\n", "Garbled"), ("", "Gone")]
    {
        let client = std::thread::scope(|scope| {
            let connecting = scope.spawn(|| Client::connect(&endpoint));
            listener.accept().unwrap().0.write_all(line.as_bytes()).unwrap();
            connecting.join().unwrap()
        });
        let error = client.err().unwrap();
        assert!(format!("{error:?}").starts_with(name) && !error.remedy().is_empty(), "{error:?}");
    }
}

#[test]
fn a_path_that_is_too_long_for_a_socket_is_named_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::new(dir.path().join("x".repeat(120)));
    let error = Server::start(&endpoint, &status(0), |_| true).err().unwrap();
    assert!(matches!(error, ControlError::PathTooLong { .. }), "{error:?}");
}
