//! Throughput of one worker: hashing, sealing, opening. `cargo bench --bench seal [FILE…]`
//!
//! Measured on one core of an x86-64 server (AVX2): BLAKE2b of libsodium 1.02 GB/s, of blake2b_simd 1.15, of blake2b_simd four
//! at once 2.6 (libsodium and crate blake2 cannot do that); XChaCha20-Poly1305 of libsodium 1.6 and 1.5 GB/s, of ring 2.1
//! and 2.1; zstd -3 runs over incompressible content at 5 GB/s.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rozen::crypto::{MachineKeys, RecoverySecret, SealingSlot, hash, random};
use rozen::model::RepoId;
use rozen::seal::{ChunkIds, FrameKind, FrameOpener, FrameSealer};
use sodiumoxide::crypto::generichash;

const LEN: usize = 1 << 20;
const ROUNDS: usize = 32;

fn main() {
    let noise: Vec<u8> = std::iter::repeat_with(random::<64>).take(LEN / 64).flatten().collect();
    let text: Vec<u8> =
        (0u32..).flat_map(|i| format!("{} line {i} of text\n", i * i % 977).into_bytes()).take(LEN).collect();
    hashes(&noise);
    ciphers(&noise);
    frames("noise", &noise);
    frames("text", &text);
    // cargo itself passes `--bench`
    for path in std::env::args().skip(1).filter(|arg| !arg.starts_with("--")) {
        let content = std::fs::read(&path).expect("the file that was named can be read");
        frames(&path, &content[..content.len().min(LEN)]);
    }
}

fn hashes(content: &[u8]) {
    rate("BLAKE2b of libsodium", content.len(), || {
        black_box(generichash::hash(content, Some(32), None).expect("32 bytes are allowed"));
    });
    rate("BLAKE2b", content.len(), || {
        black_box(hash(content));
    });
    let machine = MachineKeys::generate(&RecoverySecret::generate(), RepoId(random()), 1);
    let mut lanes = ChunkIds::new(&machine.id).lanes(FrameKind::Content);
    rate("chunk ids, four at once", content.len(), || {
        black_box(lanes.push(content));
    });
}

/// Bodies of frames go through ring, everything else through libsodium.
fn ciphers(content: &[u8]) {
    let machine = MachineKeys::generate(&RecoverySecret::generate(), RepoId(random()), 1);
    let slot = SealingSlot::create(&machine);
    let (mut sealed, mut opened) = (Vec::new(), Vec::new());
    rate("sealing by libsodium", content.len(), || drop(black_box(slot.object.seal(b"", content))));
    rate("sealing by ring", content.len(), || {
        sealed.clear();
        slot.body.seal_into(b"", content, &mut sealed);
    });
    rate("opening by libsodium", content.len(), || drop(black_box(slot.body.cross_check(b"", &sealed))));
    rate("opening by ring", content.len(), || {
        slot.body.open_into(b"", &sealed, &mut opened).expect("it was just sealed");
    });
}

fn frames(name: &str, content: &[u8]) {
    let secret = RecoverySecret::generate();
    let machine = MachineKeys::generate(&secret, RepoId(random()), 1);
    let slot = SealingSlot::create(&machine);
    let mut sealer = FrameSealer::new(&machine, &slot, 3).expect("level 3 exists");
    let mut frame = Vec::new();
    let id = sealer.id(FrameKind::Content, content);
    rate(&format!("id and seal {name}"), content.len(), || {
        frame.clear();
        let id = sealer.id(FrameKind::Content, content);
        sealer.seal(FrameKind::Content, id, content, &mut frame).expect("memory holds");
    });
    let read = secret.read_keys(machine.repo_id, 1);
    let opened = slot.slot.open(&read).expect("it was just made");
    let opener = FrameOpener::new(&read, vec![(opened.slot_id, opened.body)]);
    rate(&format!("open {name}"), content.len(), || drop(black_box(opener.open(&frame, &id))));
    println!("{:40} {} bytes of {}", "", frame.len(), content.len());
}

/// Prints the best of five.
fn rate(name: &str, bytes: usize, mut work: impl FnMut()) {
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        (0..ROUNDS).for_each(|_| work());
        best = best.min(start.elapsed());
    }
    println!("{name:40} {:6.0} MB/s", (bytes * ROUNDS) as f64 / best.as_secs_f64() / 1e6);
}
