use std::collections::HashSet;

use super::*;
use crate::crypto::{AEAD_OVERHEAD, MachineKeys, NONCE_LEN, ReadKeys, RecoverySecret, SealingSlot, TAG_LEN, random};
use crate::model::{ChunkId, RepoId};

struct Bench {
    secret: RecoverySecret,
    machine: MachineKeys,
    slot: SealingSlot,
}

impl Bench {
    fn new() -> Self {
        let secret = RecoverySecret::generate();
        let machine = MachineKeys::generate(&secret, RepoId([1; 16]), 1);
        let slot = SealingSlot::create(&machine);
        Self { secret, machine, slot }
    }

    fn read_keys(&self) -> ReadKeys {
        self.secret.read_keys(self.machine.repo_id, 1)
    }

    fn opener_of(&self, keys: &ReadKeys) -> FrameOpener {
        let opened = self.slot.slot.open(&self.read_keys()).unwrap();
        FrameOpener::new(keys, vec![(opened.slot_id, opened.body)])
    }

    fn opener(&self) -> FrameOpener {
        self.opener_of(&self.read_keys())
    }

    fn seal(&self, kind: FrameKind, plain: &[u8]) -> (ChunkId, Vec<u8>) {
        let mut sealer = FrameSealer::new(&self.machine, &self.slot, 3).unwrap();
        let id = sealer.id(kind, plain);
        let mut frame = Vec::new();
        sealer.seal(kind, id, plain, &mut frame).unwrap();
        (id, frame)
    }

    fn head(&self, frame: &[u8]) -> FrameHead {
        let slot = &self.slot.slot.slot_id;
        FrameOpener::open_head(&frame[..FRAME_HEAD_LEN], &self.machine.repo_id, slot, &self.machine.index).unwrap()
    }
}

fn text(len: usize) -> Vec<u8> {
    (0u32..).flat_map(|line| format!("line {line} of a text that repeats itself\n").into_bytes()).take(len).collect()
}

fn noise(len: usize) -> Vec<u8> {
    let mut out: Vec<u8> = std::iter::repeat_with(random::<64>).take(len.div_ceil(64)).flatten().collect();
    out.truncate(len);
    out
}

#[test]
fn frames_of_all_sizes_and_kinds_come_back() {
    let bench = Bench::new();
    let opener = bench.opener();
    for kind in [FrameKind::Content, FrameKind::Bundle, FrameKind::Node, FrameKind::ContentMap] {
        for len in [0, 1, 2, 100, 65_536, 1 << 20] {
            for plain in [text(len), noise(len)] {
                let (id, frame) = bench.seal(kind, &plain);
                assert_eq!(opener.open(&frame, &id).unwrap(), plain);
                let head = bench.head(&frame);
                assert_eq!((head.id, head.kind, head.raw_len), (id, kind, len as u32));
                assert_eq!(frame.len(), FRAME_HEAD_LEN + NONCE_LEN + head.body_len as usize);
            }
        }
    }
}

#[test]
fn sixteen_mebibytes_are_the_largest_chunk() {
    let bench = Bench::new();
    let plain = text(MAX_RAW_LEN as usize + 1);
    let (id, frame) = bench.seal(FrameKind::Content, &plain[1..]);
    assert_eq!(bench.opener().open(&frame, &id).unwrap(), plain[1..]);
    let mut sealer = FrameSealer::new(&bench.machine, &bench.slot, 3).unwrap();
    let refused = sealer.seal(FrameKind::Content, id, &plain, &mut Vec::new());
    assert!(matches!(refused, Err(SealError::TooLarge { .. })));
}

#[test]
fn what_compresses_is_compressed_and_what_does_not_is_stored() {
    let bench = Bench::new();
    for level in [1, 3, 9] {
        let mut sealer = FrameSealer::new(&bench.machine, &bench.slot, level).unwrap();
        let half = [noise(100_000), text(100_000)].concat();
        let twice = noise(100_000).repeat(2);
        for (plain, codec) in
            [(text(200_000), Codec::Zstd), (noise(200_000), Codec::Stored), (half, Codec::Zstd), (twice, Codec::Zstd)]
        {
            let id = sealer.id(FrameKind::Content, &plain);
            let head = sealer.seal(FrameKind::Content, id, &plain, &mut Vec::new()).unwrap();
            assert_eq!(head.codec, codec, "level {level}");
            assert!(head.body_len as usize <= plain.len() + TAG_LEN);
        }
    }
}

#[test]
fn long_content_is_compressed_wherever_a_part_of_it_compresses() {
    let bench = Bench::new();
    for (level, len) in [(3, 512 << 10), (3, 2 << 20), (9, 2 << 20)] {
        let mut sealer = FrameSealer::new(&bench.machine, &bench.slot, level).unwrap();
        let mut codec = |plain: &[u8]| {
            let id = sealer.id(FrameKind::Content, plain);
            sealer.seal(FrameKind::Content, id, plain, &mut Vec::new()).unwrap().codec
        };
        assert_eq!(codec(&noise(len)), Codec::Stored, "level {level}");
        let part = text(len / 12);
        for at in (0..len - part.len()).step_by(len / 29).chain([len - part.len()]) {
            let mut plain = noise(len);
            plain[at..][..part.len()].copy_from_slice(&part);
            assert_eq!(codec(&plain), Codec::Zstd, "level {level}, {len} bytes, from {at}");
        }
    }
}

#[test]
fn a_changed_bit_anywhere_in_a_frame_is_found() {
    let bench = Bench::new();
    let opener = bench.opener();
    for plain in [text(300), noise(100)] {
        let (id, frame) = bench.seal(FrameKind::Content, &plain);
        for bit in 0..frame.len() * 8 {
            let mut altered = frame.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(opener.open(&altered, &id).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn a_frame_cut_or_extended_is_refused() {
    let bench = Bench::new();
    let opener = bench.opener();
    let (id, frame) = bench.seal(FrameKind::Content, &text(300));
    for len in 0..frame.len() {
        assert!(opener.open(&frame[..len], &id).is_err(), "{len} bytes");
    }
    assert!(opener.open(&[&frame[..], &[0]].concat(), &id).is_err());
    assert!(opener.open(&[&frame[..], &frame[..]].concat(), &id).is_err());
}

#[test]
fn a_frame_opens_in_its_own_place_only() {
    let bench = Bench::new();
    let (id, frame) = bench.seal(FrameKind::Content, b"at home");
    let other_slot = Bench { slot: SealingSlot::create(&bench.machine), ..Bench::new() };
    let opened = other_slot.slot.slot.open(&bench.read_keys()).unwrap();
    let elsewhere = FrameOpener::new(&bench.read_keys(), vec![(opened.slot_id, opened.body)]);
    assert!(elsewhere.open(&frame, &id).is_err(), "another slot");
    // the right body key under the name of the other slot
    let opened = bench.slot.slot.open(&bench.read_keys()).unwrap();
    let renamed = FrameOpener::new(&bench.read_keys(), vec![(other_slot.slot.slot.slot_id, opened.body)]);
    assert!(renamed.open(&frame, &id).is_err(), "another slot id");
    let other_repo = bench.secret.read_keys(RepoId([2; 16]), 1);
    assert!(bench.opener_of(&other_repo).open(&frame, &id).is_err(), "another repository");
    assert!(FrameOpener::new(&bench.read_keys(), Vec::new()).open(&frame, &id).is_err(), "no slot");
}

#[test]
fn heads_and_bodies_of_two_frames_cannot_be_mixed() {
    let bench = Bench::new();
    let (a, frame_a) = bench.seal(FrameKind::Content, b"aaaaaaaa");
    let (b, frame_b) = bench.seal(FrameKind::Content, b"bbbbbbbb");
    let mixed = [&frame_a[..FRAME_HEAD_LEN], &frame_b[FRAME_HEAD_LEN..]].concat();
    assert!(bench.opener().open(&mixed, &a).is_err() && bench.opener().open(&mixed, &b).is_err());
}

#[test]
fn another_chunk_than_the_wanted_one_is_never_returned() {
    let bench = Bench::new();
    let (_, frame) = bench.seal(FrameKind::Content, b"one");
    let (other, _) = bench.seal(FrameKind::Content, b"two");
    let refused = bench.opener().open(&frame, &other);
    assert!(matches!(refused, Err(SealError::WrongChunk { expected, .. }) if expected == other));
}

#[test]
fn keys_of_another_secret_open_nothing() {
    let (bench, other) = (Bench::new(), Bench::new());
    let (id, frame) = bench.seal(FrameKind::Content, b"mine");
    assert!(other.opener().open(&frame, &id).is_err());
    let (sealed, slot) = (&frame[..FRAME_HEAD_LEN], &bench.slot.slot.slot_id);
    assert!(FrameOpener::open_head(sealed, &bench.machine.repo_id, slot, &other.machine.index).is_err());
    assert!(FrameOpener::open_head(sealed, &bench.machine.repo_id, slot, &bench.machine.index).is_ok());
}

#[test]
fn the_kind_is_part_of_the_id() {
    let bench = Bench::new();
    let ids: HashSet<ChunkId> = [FrameKind::Content, FrameKind::Bundle, FrameKind::Node, FrameKind::ContentMap]
        .map(|kind| bench.seal(kind, b"same").0)
        .into();
    assert_eq!(ids.len(), 4);
}

#[test]
fn no_nonce_is_used_twice() {
    let bench = Bench::new();
    let mut sealer = FrameSealer::new(&bench.machine, &bench.slot, 3).unwrap();
    let id = sealer.id(FrameKind::Content, b"same");
    let mut seen = HashSet::new();
    for _ in 0..2000 {
        let mut frame = Vec::new();
        sealer.seal(FrameKind::Content, id, b"same", &mut frame).unwrap();
        assert!(seen.insert(frame[..NONCE_LEN].to_vec()) && seen.insert(frame[FRAME_HEAD_LEN..][..NONCE_LEN].to_vec()));
    }
}

/// Seals a head and a payload as no sealer would.
fn forged(bench: &Bench, head: &[u8], payload: &[u8]) -> Vec<u8> {
    let (repo, slot) = (&bench.machine.repo_id, &bench.slot.slot.slot_id);
    let mut out = bench.machine.index.frame_heads().seal(&frame::head_ad(repo, slot), head);
    bench.slot.body.seal_into(&frame::body_ad(repo, slot, head), payload, &mut out);
    out
}

#[test]
fn heads_that_no_sealer_writes_are_refused_before_memory_is_taken() {
    let bench = Bench::new();
    let plain = text(500);
    let (id, frame) = bench.seal(FrameKind::Content, &plain);
    let good = bench.head(&frame).encode();
    let payload = zstd::bulk::compress(&plain, 3).unwrap();
    assert_eq!(bench.opener().open(&forged(&bench, &good, &payload), &id).unwrap(), plain);
    let change = |at: usize, bytes: &[u8]| {
        let mut head = good;
        head[at..at + bytes.len()].copy_from_slice(bytes);
        head
    };
    let too_much = (MAX_RAW_LEN + 1).to_le_bytes();
    let cases = [
        ("unknown kind", change(32, &[4])),
        ("unknown codec", change(33, &[2])),
        ("a flag", change(34, &[1])),
        ("another flag", change(35, &[0x80])),
        ("too long", change(36, &too_much)),
        ("longest", change(36, &[255; 4])),
        ("body longer than its content", change(40, &[255; 4])),
        ("body without a tag", change(40, &[0; 4])),
        ("reserved bytes", change(63, &[1])),
        ("shorter than its content", change(36, &499u32.to_le_bytes())),
        ("longer than its content", change(36, &501u32.to_le_bytes())),
        ("stored, though compressed", change(33, &[0])),
    ];
    for (case, head) in cases {
        assert!(
            matches!(bench.opener().open(&forged(&bench, &head, &payload), &id), Err(SealError::Frame(_))),
            "{case}"
        );
    }
    assert!(bench.opener().open(&forged(&bench, &good[..63], &payload), &id).is_err());
}

#[test]
fn a_body_that_is_not_exactly_one_zstd_frame_is_refused() {
    let bench = Bench::new();
    let plain = text(5000);
    let id = FrameSealer::new(&bench.machine, &bench.slot, 3).unwrap().id(FrameKind::Content, &plain);
    let whole = zstd::bulk::compress(&plain, 3).unwrap();
    let halves = plain.chunks(2500).map(|half| zstd::bulk::compress(half, 3).unwrap()).collect::<Vec<_>>().concat();
    let nameless = zstd::stream::encode_all(&plain[..], 3).unwrap();
    for (case, payload) in [
        ("two frames", halves),
        ("bytes after it", [&whole[..], b"\x50\x2a\x4d\x18\x01\0\0\0x"].concat()),
        ("no content size", nameless),
        ("cut", whole[..whole.len() - 1].to_vec()),
        ("not zstd", vec![7; 100]),
    ] {
        let body_len = (payload.len() + TAG_LEN) as u32;
        let (kind, codec, raw_len) = (FrameKind::Content, Codec::Zstd, plain.len() as u32);
        let head = FrameHead { id, kind, codec, raw_len, body_len }.encode();
        assert!(bench.opener().open(&forged(&bench, &head, &payload), &id).is_err(), "{case}");
    }
}

#[test]
fn a_frame_has_the_documented_overhead() {
    assert_eq!((FRAME_HEAD_LEN, FRAME_OVERHEAD), (104, 144));
    assert_eq!(FRAME_OVERHEAD, 64 + 2 * AEAD_OVERHEAD);
    let (_, frame) = Bench::new().seal(FrameKind::Content, b"");
    assert_eq!(frame.len(), FRAME_OVERHEAD);
}

#[test]
fn frames_of_another_program_open() {
    use crate::crypto::{KeySlot, unhex};
    let v: serde_json::Value = serde_json::from_str(include_str!("../../tests/vectors/suite1.json")).unwrap();
    let bytes = |value: &serde_json::Value| unhex(value.as_str().unwrap()).unwrap();
    let secret = RecoverySecret::from_bytes(bytes(&v["secret"]).try_into().unwrap());
    let keys = secret.read_keys(RepoId(bytes(&v["repository"]).try_into().unwrap()), 1);
    let slot = KeySlot::decode(&bytes(&v["slot"])).unwrap().open(&keys).unwrap();
    let opener = FrameOpener::new(&keys, vec![(slot.slot_id, slot.body)]);
    for vector in v["frames"].as_array().unwrap() {
        let (frame, id) = (bytes(&vector["frame"]), vector["id"].as_str().unwrap().parse().unwrap());
        assert_eq!(opener.open(&frame, &id).unwrap(), bytes(&vector["plain"]));
        let head = FrameOpener::open_head(&frame[..FRAME_HEAD_LEN], &keys.repo_id, &slot.slot_id, &keys.index).unwrap();
        assert_eq!(u64::from(head.kind.code()), vector["kind"].as_u64().unwrap());
    }
}
