//! How an object is cut into parts: all of one size, only the last may be shorter. The size never changes within an
//! upload.

/// The parts of one object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Layout {
    /// Of the object, in bytes.
    pub(super) size: u64,
    pub(super) part_bytes: u64,
}

impl Layout {
    /// Numbers of parts, from 1; an empty object has one empty part.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> + use<> {
        1..=u32::try_from(self.size.div_ceil(self.part_bytes).max(1)).unwrap_or(u32::MAX)
    }

    /// Offset and length of a part, in bytes.
    pub(super) fn range(&self, number: u32) -> (u64, u64) {
        let offset = u64::from(number - 1) * self.part_bytes;
        (offset, self.part_bytes.min(self.size - offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_one_another_and_fill_the_object() {
        for (size, part_bytes) in [(0, 4), (1, 4), (4, 4), (5, 4), (8, 4), (9, 4), (1 << 40, 16 << 20)] {
            let layout = Layout { size, part_bytes };
            let mut end = 0;
            for number in layout.numbers() {
                let (offset, len) = layout.range(number);
                assert_eq!(offset, end);
                assert!(len <= part_bytes && (len > 0 || size == 0));
                end = offset + len;
                assert!(len == part_bytes || end == size, "only the last part is short");
            }
            assert_eq!(end, size);
        }
    }
}
