//! How much an object is padded, so that its length says little about what is in it.

/// From this length on a fixed step is small enough (and cheaper).
const FIXED_FROM: u64 = 16 << 20;
const FIXED_STEP: u64 = 64 << 10;

/// The padded length for `len` bytes: PADMÉ (at most 12 % more, less with size) below 16 MiB, else the next
/// multiple of 64 KiB.
///
/// PADMÉ: Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", 2019.
pub fn padded_len(len: u64) -> u64 {
    if len >= FIXED_FROM {
        return len.next_multiple_of(FIXED_STEP);
    }
    if len < 2 {
        return len;
    }
    let exponent = len.ilog2();
    let kept_bits = exponent.checked_ilog2().map_or(0, |bits| bits + 1);
    len.next_multiple_of(1 << exponent.saturating_sub(kept_bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_never_shrinks_and_stays_within_an_eighth() {
        for len in (0..5000).chain([65_537, 1_000_003, (16 << 20) - 1, 16 << 20, (1 << 30) + 1]) {
            let padded = padded_len(len);
            assert!(padded >= len && padded - len <= len / 8 + 1, "{len} -> {padded}");
            assert_eq!(padded_len(padded), padded, "{len}");
        }
    }

    #[test]
    fn the_values_of_the_paper_and_the_step() {
        assert_eq!([9, 129, 1025].map(padded_len), [10, 144, 1088]);
        assert_eq!(padded_len((16 << 20) + 1), (16 << 20) + (64 << 10));
    }
}
