//! A tree as people have it: thousands of small files, some large ones, text and noise, and much of it twice.

use std::fs;
use std::path::Path;

use super::Noise;

const MIB: u64 = 1 << 20;
/// The largest file of a large tree.
const LARGEST: u64 = 300 * MIB;
/// A folder holds so many small files.
const FOLDER: u64 = 200;

/// About `size_mib` in all: a third in small files, more than a half in large ones, the rest is there twice.
pub fn make(root: &Path, size_mib: u64, noise: &mut Noise) {
    let total = size_mib * MIB;
    let words = Words::new(noise);
    small_files(root, total / 3, &words, noise);
    let large = root.join("large");
    fs::create_dir(&large).unwrap();
    let mut left = total / 9 * 5;
    for i in 0.. {
        let size = (MIB + noise.below(LARGEST.min(total / 6))).min(left);
        fs::write(large.join(i.to_string()), content(i, size, &words, noise)).unwrap();
        left -= size;
        if left == 0 {
            break;
        }
    }
    copies(root, total / 9, noise);
}

fn small_files(root: &Path, total: u64, words: &Words, noise: &mut Noise) {
    let (mut left, mut number) = (total, 0);
    while left > 0 {
        let folder = root.join(format!("small/{}", number / FOLDER));
        if number % FOLDER == 0 {
            fs::create_dir_all(&folder).unwrap();
        }
        // many tiny ones, some of them empty
        let size = [0, noise.below(1000), noise.below(20_000), noise.below(150_000)][number as usize % 4].min(left);
        // of each size both text and noise
        fs::write(folder.join(number.to_string()), content(number / 4, size, words, noise)).unwrap();
        left -= size;
        number += 1;
    }
}

/// Noise or text in turn.
fn content(number: u64, size: u64, words: &Words, noise: &mut Noise) -> Vec<u8> {
    match number % 2 {
        1 => words.text(size as usize, noise),
        _ => noise.bytes(size as usize),
    }
}

/// Copies of files, exact ones and ones that begin otherwise.
fn copies(root: &Path, total: u64, noise: &mut Noise) {
    let (from, to) = (root.join("large"), root.join("copies"));
    fs::create_dir(&to).unwrap();
    let originals = fs::read_dir(&from).unwrap().count() as u64;
    let mut left = total;
    for i in 0.. {
        let mut bytes = fs::read(from.join(noise.below(originals).to_string())).unwrap();
        if i % 2 == 1 {
            bytes.splice(..0, *b"put before all that was there");
        }
        bytes.truncate(left as usize);
        left -= bytes.len() as u64;
        fs::write(to.join(i.to_string()), bytes).unwrap();
        if left == 0 {
            break;
        }
    }
}

/// Lines that a text is made of.
struct Words(Vec<Vec<u8>>);

impl Words {
    fn new(noise: &mut Noise) -> Self {
        let mut line = || (0..60 + noise.below(40)).map(|_| b"etaoin shrdlu"[noise.below(13) as usize]).collect();
        Self((0..500).map(|_| line()).collect())
    }

    /// Compresses, and no two texts are alike.
    fn text(&self, size: usize, noise: &mut Noise) -> Vec<u8> {
        let mut text = Vec::with_capacity(size + 200);
        while text.len() < size {
            text.extend_from_slice(noise.pick(&self.0).expect("there are lines"));
            text.extend_from_slice(format!(" {:x}\n", noise.below(1 << 20)).as_bytes());
        }
        text.truncate(size);
        text
    }
}
