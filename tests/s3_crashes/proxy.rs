//! Stands between the agent and any server, and counts what passes: what a server was given, and what of it the agent
//! knows to be there. Servers of others do not say it themselves.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use crate::request::{Part, Request};

const BUFFER: usize = 64 << 10;

#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// By operation; also those that the server never saw or refused.
    pub requests: BTreeMap<String, u64>,
    /// Bytes of bodies of objects and parts that were given to the server.
    pub received: u64,
    /// Of these, bytes of requests whose good answer met an agent that lived.
    pub acknowledged: u64,
    /// Sizes of parts that were acknowledged, by object as it was on the wire and number.
    pub parts: BTreeMap<Part, u64>,
}

pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    tally: Mutex<Tally>,
    grew: Condvar,
    is_over: AtomicBool,
}

/// What the two directions of a connection tell each other: the request that waits for its answer, and its bytes.
type Waiting = Arc<Mutex<Option<(Option<Part>, u64)>>>;

impl Proxy {
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (tally, grew, is_over) = (Mutex::default(), Condvar::new(), AtomicBool::new(false));
        let shared = Arc::new(Shared { server, tally, grew, is_over });
        let accepting = shared.clone();
        thread::spawn(move || {
            let alive = |_: &_| !accepting.is_over.load(Ordering::SeqCst);
            listener.incoming().take_while(alive).flatten().for_each(|client| accepting.clone().connect(client));
        });
        Self { address, shared }
    }

    /// `http://127.0.0.1:PORT`
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn tally(&self) -> Tally {
        self.shared.tally().clone()
    }

    /// Returns at the very byte; `false` when nothing at all was received for that long.
    pub fn wait_until_received(&self, bytes: u64, patience: Duration) -> bool {
        let mut tally = self.shared.tally();
        while tally.received < bytes {
            let before = tally.received;
            let waited = self.shared.grew.wait_timeout_while(tally, patience, |tally| tally.received == before);
            let (now, timeout) = waited.unwrap();
            if timeout.timed_out() {
                return false;
            }
            tally = now;
        }
        true
    }
}

impl Tally {
    fn acknowledge(&mut self, part: Option<Part>, bytes: u64) {
        self.acknowledged += bytes;
        self.parts.extend(part.map(|part| (part, bytes)));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // wakes the thread that accepts; connections end with their clients
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap()
    }

    /// A server that is away is to the client a connection that ends.
    fn connect(self: Arc<Self>, client: TcpStream) {
        let Ok(server) = TcpStream::connect(self.server) else { return };
        [&client, &server].iter().for_each(|stream| stream.set_nodelay(true).unwrap());
        let waiting = Waiting::default();
        let (requests, answers) = ((client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client));
        let (up, also_waiting) = (self.clone(), waiting.clone());
        thread::spawn(move || {
            // an error is an end as well: somebody died
            let _ = up.carry_requests(&requests.0, &requests.1, &also_waiting);
            // what is answered from now on nobody hears
            also_waiting.lock().unwrap().take();
            close(&requests);
        });
        thread::spawn(move || {
            let _ = self.carry_answers(&answers.0, &answers.1, &waiting);
            close(&answers);
        });
    }

    fn carry_requests(&self, mut client: &TcpStream, mut server: &TcpStream, waiting: &Waiting) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER];
        while let Some(request) = Request::read(&mut client)? {
            *self.tally().requests.entry(request.operation.clone()).or_default() += 1;
            *waiting.lock().unwrap() = Some((request.part, 0));
            server.write_all(&request.head)?;
            let mut left = request.body_bytes;
            while left > 0 {
                let most = buffer.len().min(usize::try_from(left).unwrap_or(BUFFER));
                let len = client.read(&mut buffer[..most])?;
                if len == 0 {
                    return Ok(());
                }
                server.write_all(&buffer[..len])?;
                left -= len as u64;
                if request.is_stored {
                    waiting.lock().unwrap().iter_mut().for_each(|(_, bytes)| *bytes += len as u64);
                    self.tally().received += len as u64;
                    self.grew.notify_all();
                }
            }
        }
        Ok(())
    }

    fn carry_answers(&self, mut server: &TcpStream, mut client: &TcpStream, waiting: &Waiting) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER];
        loop {
            let len = server.read(&mut buffer)?;
            if len == 0 {
                return Ok(());
            }
            // clients send the next request when they have the whole answer: its first bytes are the first after a request
            if waiting.lock().unwrap().is_some() && !buffer.starts_with(b"HTTP/1.1 100") {
                let request = waiting.lock().unwrap().take();
                let good = request.filter(|_| buffer.starts_with(b"HTTP/1.1 2"));
                good.into_iter().for_each(|(part, bytes)| self.tally().acknowledge(part, bytes));
            }
            client.write_all(&buffer[..len])?;
        }
    }
}

fn close((one, other): &(TcpStream, TcpStream)) {
    // they may be closed already
    let _ = one.shutdown(Shutdown::Both);
    let _ = other.shutdown(Shutdown::Both);
}
