//! Which ranges of which packs give the frames that are wanted, in few requests: pure.
//!
//! A request costs its delay (30–100 ms to a store in another place: as long as some hundred KiB take on a usual line) and a
//! price (with AWS as much as 5 KB that leave its network). So neighbours are read as one range, and gaps between them are read
//! over where they are small, or where they add little to what is wanted.

use std::ops::Range;

use crate::model::{ChunkId, ChunkLocation, PackKey};

/// A gap of so few bytes is always read over: it costs less than a request, whatever is counted.
const SMALL_GAP: u64 = 16 << 10;
/// A larger one only up to here …
const MAX_GAP: u64 = 256 << 10;
/// … and only while larger gaps are so small a share of the bytes that are wanted.
const GAP_SHARE: u64 = 16;
/// Longer ranges gain nothing, and are lost as a whole when the connection breaks. A frame is never cut.
const MAX_RANGE: u64 = 16 << 20;

/// A frame that is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wanted {
    pub id: ChunkId,
    pub at: ChunkLocation,
}

impl Wanted {
    fn end(&self) -> u64 {
        self.at.offset.saturating_add(u64::from(self.at.len))
    }
}

/// One request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct RangedRead {
    pub pack: PackKey,
    /// In bytes of the pack.
    pub range: Range<u64>,
    /// By offset. All lie within the range.
    pub frames: Vec<Wanted>,
}

/// In the order of packs and offsets.
pub(super) fn plan(mut wanted: Vec<Wanted>) -> Vec<RangedRead> {
    wanted.sort_unstable_by_key(|frame| (frame.at.pack, frame.at.offset, frame.at.len));
    let mut reads: Vec<Growing> = Vec::new();
    for frame in wanted {
        match reads.last_mut() {
            Some(read) if read.takes(&frame) => read.add(frame),
            _ => reads.push(Growing::new(frame)),
        }
    }
    reads.into_iter().map(|growing| growing.read).collect()
}

struct Growing {
    read: RangedRead,
    /// Bytes of frames in it.
    wanted: u64,
    /// Bytes of larger gaps in it.
    gaps: u64,
}

impl Growing {
    fn new(frame: Wanted) -> Self {
        let range = frame.at.offset..frame.end();
        let read = RangedRead { pack: frame.at.pack, range, frames: vec![frame] };
        Self { read, wanted: u64::from(frame.at.len), gaps: 0 }
    }

    /// Where it begins inside the range, as damaged lists may say, there is no gap.
    fn gap(&self, frame: &Wanted) -> u64 {
        frame.at.offset.saturating_sub(self.read.range.end)
    }

    fn takes(&self, frame: &Wanted) -> bool {
        let gap = self.gap(frame);
        let is_worth_it = gap <= SMALL_GAP || gap <= MAX_GAP && (self.gaps + gap) * GAP_SHARE <= self.wanted;
        frame.at.pack == self.read.pack && is_worth_it && frame.end() - self.read.range.start <= MAX_RANGE
    }

    fn add(&mut self, frame: Wanted) {
        let gap = self.gap(&frame);
        self.gaps += if gap > SMALL_GAP { gap } else { 0 };
        self.wanted += u64::from(frame.at.len);
        self.read.range.end = self.read.range.end.max(frame.end());
        self.read.frames.push(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MachineId, ObjectHash};

    const MIB: u64 = 1 << 20;

    fn frame(pack: u8, offset: u64, len: u64) -> Wanted {
        let pack = PackKey { machine: MachineId([1; 16]), is_tree: false, hash: ObjectHash([pack; 32]) };
        let id = ChunkId(crate::crypto::hash_fields("test", &[&[pack.hash.0[0]], &offset.to_le_bytes()]));
        Wanted { id, at: ChunkLocation { pack, offset, len: len as u32 } }
    }

    /// Pack, range and number of frames of each read.
    fn planned(wanted: &[Wanted]) -> Vec<(u8, Range<u64>, usize)> {
        let reads = plan(wanted.to_vec());
        for read in &reads {
            for frame in &read.frames {
                assert!(read.range.start <= frame.at.offset && frame.end() <= read.range.end, "{read:?}");
            }
        }
        assert_eq!(reads.iter().map(|read| read.frames.len()).sum::<usize>(), wanted.len());
        reads.into_iter().map(|read| (read.pack.hash.0[0], read.range, read.frames.len())).collect()
    }

    #[test]
    fn neighbours_are_one_range_in_the_order_of_packs_and_offsets() {
        let wanted = [frame(2, 100, 50), frame(1, 300, 50), frame(1, 200, 100), frame(2, 150, 10)];
        assert_eq!(planned(&wanted), [(1, 200..350, 2), (2, 100..160, 2)]);
        assert_eq!(planned(&[]), []);
    }

    #[test]
    fn small_gaps_are_read_over_and_larger_ones_where_they_add_little() {
        let gap = |before: u64, gap: u64| planned(&[frame(1, 0, before), frame(1, before + gap, 10)]).len();
        assert_eq!(gap(10, SMALL_GAP), 1);
        assert_eq!(gap(10, SMALL_GAP + 1), 2);
        assert_eq!(gap(MIB, MIB / GAP_SHARE), 1);
        assert_eq!(gap(MIB, MIB / GAP_SHARE + 1), 2);
        assert_eq!(gap(8 * MIB, MAX_GAP), 1);
        assert_eq!(gap(8 * MIB, MAX_GAP + 1), 2);
    }

    #[test]
    fn larger_gaps_of_a_range_share_one_allowance() {
        let gap = MIB / GAP_SHARE;
        let wanted = [frame(1, 0, MIB), frame(1, MIB + gap, 10), frame(1, MIB + gap + 10 + gap, 10)];
        assert_eq!(planned(&wanted), [(1, 0..MIB + gap + 10, 2), (1, MIB + 2 * gap + 10..MIB + 2 * gap + 20, 1)]);
    }

    #[test]
    fn a_range_is_never_longer_than_the_limit_but_for_a_frame_that_is() {
        let wanted: Vec<_> = (0..40).map(|n| frame(1, n * MIB, MIB)).collect();
        let lengths: Vec<_> = planned(&wanted).into_iter().map(|(_, range, _)| range.end - range.start).collect();
        assert_eq!(lengths, [16 * MIB, 16 * MIB, 8 * MIB]);
        assert_eq!(planned(&[frame(1, 0, 20 * MIB), frame(1, 20 * MIB, 1)]).len(), 2);
    }

    #[test]
    fn frames_that_are_wanted_twice_or_overlap_are_read_once() {
        let wanted = [frame(1, 0, 100), frame(1, 0, 100), frame(1, 50, 100), frame(1, 60, 10)];
        assert_eq!(planned(&wanted), [(1, 0..150, 4)]);
        let impossible = [frame(1, u64::MAX - 5, 100), frame(1, 0, 10)];
        assert_eq!(planned(&impossible), [(1, 0..10, 1), (1, u64::MAX - 5..u64::MAX, 1)]);
    }

    /// Random places: what is read beyond what is wanted stays within the allowance.
    #[test]
    fn what_is_read_for_nothing_is_a_small_share_or_small_gaps() {
        let seed = 11u64;
        println!("seed {seed}");
        let mut state = seed;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..200 {
            let mut at = 0;
            let mut wanted = Vec::new();
            for _ in 0..random(50) {
                at += random(2 * MAX_GAP) * random(2);
                wanted.push(frame(1, at, 1 + random(2 * MIB)));
                at = wanted[wanted.len() - 1].end();
            }
            for read in plan(wanted) {
                let frames: u64 = read.frames.iter().map(|frame| u64::from(frame.at.len)).sum();
                let small = read.frames.len() as u64 * SMALL_GAP;
                assert!(read.range.end - read.range.start <= frames + frames / GAP_SHARE + small, "{read:?}");
            }
        }
    }
}
