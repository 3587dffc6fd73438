//! Base64 (RFC 4648, with padding) for the exact bytes of paths in JSON, which holds text only.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub fn base64_encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - group.len()));
        for i in 0..4 {
            let digit = ALPHABET[(word >> (18 - 6 * i)) as usize & 63];
            out.push(if i <= group.len() { digit as char } else { '=' });
        }
    }
    out
}

/// `None` for anything that [`base64_encode`] would not have written.
pub fn base64_decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(4) {
        return None;
    }
    let mut out = Vec::with_capacity(digits.len() / 4 * 3);
    for group in digits.chunks(4) {
        let data = group.iter().position(|d| *d == b'=').unwrap_or(4);
        let mut word = 0u32;
        for digit in &group[..data] {
            word = word << 6 | ALPHABET.iter().position(|a| a == digit)? as u32;
        }
        word <<= 6 * (4 - data);
        out.extend_from_slice(word.to_be_bytes()[1..].get(..data.checked_sub(1)?)?);
    }
    // refuses padding in the middle, stray bits and one-digit groups at once
    (base64_encode(&out) == text).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_hold() {
        let vectors = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
        for (len, text) in vectors.iter().enumerate() {
            assert_eq!(base64_encode(&b"foobar"[..len]), *text);
            assert_eq!(base64_decode(text).unwrap(), &b"foobar"[..len]);
        }
    }

    #[test]
    fn what_was_not_encoded_here_is_refused() {
        for bad in ["Z", "Zg", "Zg=", "Zg==Zg==", "====", "Zh==", "Z===", "Zm9\n", "Zm-v"] {
            assert_eq!(base64_decode(bad), None, "{bad:?}");
        }
    }
}
