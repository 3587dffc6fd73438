//! FastCDC (Xia et al., 2016) with normalised chunking, level 1, over a keyed gear table.

/// 256 random 64-bit words, one for each byte value.
#[derive(Clone)]
pub struct GearTable(Box<[u64; 256]>);

impl GearTable {
    /// Fills the table from 64 blocks of a keyed function: block `i` gives the words `4i .. 4i + 4`, little-endian.
    pub fn from_blocks(block: impl Fn(u32) -> [u8; 32]) -> Self {
        let mut table = Box::new([0u64; 256]);
        for (i, words) in table.chunks_exact_mut(4).enumerate() {
            let bytes = block(i as u32);
            for (word, le) in words.iter_mut().zip(bytes.chunks_exact(8)) {
                *word = u64::from_le_bytes(le.try_into().expect("chunks of 8"));
            }
        }
        Self(table)
    }

    /// For known answers.
    #[cfg(test)]
    pub(crate) fn words(&self) -> &[u64; 256] {
        &self.0
    }
}

/// Sizes in bytes; `average` is a power of two. They stand in `rozen.json` and never change for a repository.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct ChunkLimits {
    pub min: u32,
    pub average: u32,
    pub max: u32,
}

impl ChunkLimits {
    /// Half the rows and a little better compression than with an average of 1 MiB; 4 MiB bounds the memory of queues.
    pub const DEFAULT: ChunkLimits = ChunkLimits { min: 1 << 20, average: 2 << 20, max: 4 << 20 };

    /// Are they ones that every reader can take? (64 B ≤ min < average < max ≤ 16 MiB)
    pub fn is_valid(&self) -> bool {
        self.min >= 64
            && self.min < self.average
            && self.average < self.max
            && self.average.is_power_of_two()
            && self.max <= 16 << 20
    }
}

/// Finds the ends of chunks.
#[derive(Clone)]
pub struct Chunker {
    gear: GearTable,
    limits: ChunkLimits,
    mask_before_average: u64,
    mask_after_average: u64,
}

/// How far the end of one chunk was looked for, while its bytes come in pieces.
#[derive(Default)]
pub struct EndSearch {
    hash: u64,
    looked_at: usize,
}

impl Chunker {
    pub fn new(gear: GearTable, limits: ChunkLimits) -> Self {
        let bits = limits.average.trailing_zeros();
        Self { gear, limits, mask_before_average: high_bits(bits + 1), mask_after_average: high_bits(bits - 1) }
    }

    pub fn limits(&self) -> ChunkLimits {
        self.limits
    }

    /// Length of the chunk that `data` begins with, if its end is in there; never 0, at most `max`.
    ///
    /// `search` is a fresh one for every chunk, and `data` what there is of the chunk: each call for the same chunk gives the
    /// same bytes and more behind them. What is left at the end of a file without a boundary is its last chunk.
    pub fn end(&self, search: &mut EndSearch, data: &[u8]) -> Option<usize> {
        let (min, average, max) = (self.limits.min as usize, self.limits.average as usize, self.limits.max as usize);
        let end = data.len().min(max);
        for (from, to, mask) in [(min, average, self.mask_before_average), (average, max, self.mask_after_average)] {
            let (from, to) = (from.max(search.looked_at), to.min(end));
            if from >= to {
                continue;
            }
            if let Some(at) = self.find(&mut search.hash, &data[from..to], mask) {
                return Some(from + at);
            }
            search.looked_at = to;
        }
        (end == max).then_some(max)
    }

    /// Bytes up to and with the first after which a boundary is due.
    ///
    /// Four at a time: what they add to the hash is summed up beside it, so that a step waits for the one before it once in
    /// four bytes instead of at each.
    fn find(&self, hash: &mut u64, data: &[u8], mask: u64) -> Option<usize> {
        let mut h = *hash;
        let (blocks, rest) = data.as_chunks::<4>();
        for (at, block) in blocks.iter().enumerate() {
            let [g1, g2, g3, g4] = block.map(|byte| self.gear.0[byte as usize]);
            let g2 = (g1 << 1).wrapping_add(g2);
            let g3 = (g2 << 1).wrapping_add(g3);
            let g4 = (g3 << 1).wrapping_add(g4);
            let after = [
                (h << 1).wrapping_add(g1),
                (h << 2).wrapping_add(g2),
                (h << 3).wrapping_add(g3),
                (h << 4).wrapping_add(g4),
            ];
            if let Some(i) = after.iter().position(|h| h & mask == 0) {
                return Some(at * 4 + i + 1);
            }
            h = after[3];
        }
        let found = rest.iter().position(|byte| {
            h = (h << 1).wrapping_add(self.gear.0[*byte as usize]);
            h & mask == 0
        });
        *hash = h;
        found.map(|i| blocks.len() * 4 + i + 1)
    }
}

/// The upper bits depend on the last 64 bytes, the lower ones on fewer.
fn high_bits(count: u32) -> u64 {
    !0u64 << (64 - count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(seed: u64, len: usize) -> Vec<u8> {
        let mut x = seed | 1;
        let mut next = || {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            x as u8
        };
        (0..len).map(|_| next()).collect()
    }

    fn chunker(limits: ChunkLimits) -> Chunker {
        let words = random(7, 64 * 32);
        Chunker::new(GearTable::from_blocks(|i| words[i as usize * 32..][..32].try_into().unwrap()), limits)
    }

    const SMALL: ChunkLimits = ChunkLimits { min: 256, average: 1024, max: 4096 };

    /// All of the data at once: what is left is the last chunk.
    fn cut(chunker: &Chunker, data: &[u8]) -> usize {
        chunker.end(&mut EndSearch::default(), data).unwrap_or(data.len())
    }

    fn cuts(chunker: &Chunker, data: &[u8]) -> Vec<usize> {
        let (mut at, mut out) = (0, vec![]);
        while at < data.len() {
            at += cut(chunker, &data[at..]);
            out.push(at);
        }
        out
    }

    #[test]
    fn chunks_keep_their_limits_and_join_to_the_whole() {
        let data = random(1, 300_000);
        let mut last = 0;
        let ends = cuts(&chunker(SMALL), &data);
        for end in &ends {
            let len = end - last;
            assert!(len <= 4096 && (len >= 256 || *end == data.len()), "{len}");
            last = *end;
        }
        assert_eq!(last, data.len());
        let mean = data.len() / ends.len();
        assert!((700..2200).contains(&mean), "mean {mean}");
    }

    #[test]
    fn an_insertion_moves_only_the_boundaries_near_it() {
        let data = random(2, 200_000);
        let mut changed = data.clone();
        changed.splice(100_000..100_000, *b"hello");
        let chunker = chunker(SMALL);
        let before: std::collections::BTreeSet<_> = cuts(&chunker, &data).into_iter().collect();
        let after = cuts(&chunker, &changed);
        let fresh =
            after.iter().filter(|end| !before.contains(&if **end > 100_000 { **end - 5 } else { **end })).count();
        assert!(fresh <= 8, "{fresh} of {} boundaries moved", after.len());
    }

    /// The definition, as docs/format.md has it.
    fn cut_byte_by_byte(chunker: &Chunker, data: &[u8]) -> usize {
        let limits = chunker.limits;
        let mut hash = 0u64;
        for (at, byte) in data.iter().enumerate().take(limits.max as usize).skip(limits.min as usize) {
            hash = (hash << 1).wrapping_add(chunker.gear.0[*byte as usize]);
            let is_late = at >= limits.average as usize;
            if hash & (if is_late { chunker.mask_after_average } else { chunker.mask_before_average }) == 0 {
                return at + 1;
            }
        }
        data.len().min(limits.max as usize)
    }

    #[test]
    fn boundaries_are_where_a_search_byte_by_byte_finds_them() {
        let chunker = chunker(SMALL);
        let data = random(3, 60_000);
        for start in 0..3000 {
            for end in [data.len(), start + 200 + start % 5000] {
                let data = &data[start..end];
                assert_eq!(cut(&chunker, data), cut_byte_by_byte(&chunker, data), "{start}..{end}");
            }
        }
    }

    #[test]
    fn pieces_of_any_length_give_the_same_boundaries() {
        let chunker = chunker(SMALL);
        let data = random(4, 60_000);
        for (start, piece) in (0..2000).zip([1, 3, 7, 63, 64, 65, 255, 256, 257, 1000, 1024, 5000].into_iter().cycle())
        {
            let data = &data[start * 17..];
            let mut search = EndSearch::default();
            let found = (0..).map(|n| n * piece).find_map(|len| chunker.end(&mut search, &data[..len]));
            assert_eq!(found, Some(cut(&chunker, data)), "from {start}, pieces of {piece}");
        }
    }

    #[test]
    fn short_and_constant_data_end_where_they_must() {
        let chunker = chunker(SMALL);
        for len in [1, 255, 256, 257] {
            assert!(cut(&chunker, &vec![0; len]) <= len);
        }
        assert_eq!(cut(&chunker, &[5]), 1);
        assert!(cut(&chunker, &vec![0; 10_000]) <= 4096);
    }
}
