//! The recovery secret as 70 characters that a person can write down and type back (docs/format.md, "Recovery code").
//!
//! 14 groups of five: four characters and a check character. A group's check finds every single wrong character and
//! every swap of neighbours in it and names the group; that it also depends on the group's number finds swapped groups.
//! What is left over is found by a 19-bit check over the whole.

use std::fmt;

use zeroize::Zeroizing;

use super::KeyFileError;
use super::hash::hash_fields;
use super::keys::RecoverySecret;

/// Crockford's base 32: no I, L, O and U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const VERSION: u8 = 1;
const GROUPS: usize = 14;
const GROUP_DATA: usize = 4;
const GROUP_LEN: usize = GROUP_DATA + 1;
const CODE_LEN: usize = GROUPS * GROUP_LEN;
/// One symbol for the version, then secret and check as one string of 275 bits.
const SYMBOLS: usize = GROUPS * GROUP_DATA;
const CHECK_BITS: usize = (SYMBOLS - 1) * 5 - 256;

/// A recovery secret in writing. Shown to a person once; never logged, hence no `Display`.
#[derive(Clone)]
pub struct RecoveryCode(Zeroizing<String>);

impl RecoveryCode {
    pub(super) const GROUPS: usize = GROUPS;
    pub(super) const GROUP_LEN: usize = GROUP_LEN;

    pub fn new(secret: &RecoverySecret) -> Self {
        let symbols = to_symbols(secret);
        let mut text = Zeroizing::new(String::with_capacity(CODE_LEN + GROUPS));
        for (number, data) in (1u8..).zip(symbols.chunks_exact(GROUP_DATA)) {
            if number > 1 {
                text.push('-');
            }
            data.iter().chain([&group_check(number, data)]).for_each(|s| text.push(ALPHABET[*s as usize] as char));
        }
        Self(text)
    }

    /// All groups in one line, with dashes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Two halves of seven groups, to be shown below each other.
    pub fn lines(&self) -> [&str; 2] {
        let (first, second) = self.0.split_at(CODE_LEN / 2 + GROUPS / 2);
        [first.trim_end_matches('-'), second]
    }

    /// Takes small letters, `O` for 0, `I` and `L` for 1, and any spaces, dashes and line breaks.
    pub fn parse(text: &str) -> Result<RecoverySecret, KeyFileError> {
        let typed = read_symbols(text)?;
        let wrong: Vec<usize> = wrong_groups(&typed).collect();
        if typed.len() != CODE_LEN {
            let group = odd_token(text).or(wrong.first().copied()).unwrap_or(GROUPS);
            return Err(KeyFileError::CodeLength { found: typed.len(), expected: CODE_LEN, group });
        }
        if !wrong.is_empty() {
            return Err(KeyFileError::CodeGroups { groups: wrong });
        }
        let mut groups = typed.chunks_exact(GROUP_LEN);
        let symbols = Zeroizing::new(groups.by_ref().flat_map(|group| &group[..GROUP_DATA]).copied().collect());
        from_symbols(&symbols)
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(secret)")
    }
}

fn to_symbols(secret: &RecoverySecret) -> Zeroizing<Vec<u8>> {
    let check = whole_check(VERSION, secret);
    let mut symbols = Zeroizing::new(vec![VERSION]);
    symbols.extend((0..SYMBOLS - 1).map(|i| {
        let bits =
            (i * 5..i * 5 + 5).map(|at| if at < 256 { bit(secret.as_bytes(), at) } else { bit(&check, at - 256) });
        bits.fold(0, |symbol, bit| symbol << 1 | bit)
    }));
    symbols
}

fn from_symbols(symbols: &Zeroizing<Vec<u8>>) -> Result<RecoverySecret, KeyFileError> {
    let (version, rest) = symbols.split_first().expect("a code has groups");
    if *version != VERSION {
        return Err(KeyFileError::CodeVersion { found: *version, known: VERSION });
    }
    let symbol_bit = |at: usize| rest[at / 5] >> (4 - at % 5) & 1;
    let mut bytes = Zeroizing::new([0u8; 32]);
    (0..256).for_each(|at| bytes[at / 8] |= symbol_bit(at) << (7 - at % 8));
    let secret = RecoverySecret::from_bytes(*bytes);
    let check = whole_check(*version, &secret);
    match (0..CHECK_BITS).all(|at| bit(&check, at) == symbol_bit(256 + at)) {
        true => Ok(secret),
        false => Err(KeyFileError::CodeWhole),
    }
}

fn whole_check(version: u8, secret: &RecoverySecret) -> [u8; 32] {
    hash_fields("rozen.v1/recovery-code", &[&[version], secret.as_bytes()])
}

/// Bit `at`, the most significant one of the first byte being 0.
fn bit(bytes: &[u8], at: usize) -> u8 {
    bytes[at / 8] >> (7 - at % 8) & 1
}

/// Makes α·s₀ + α²·s₁ + α³·s₂ + α⁴·s₃ + check = number, in GF(32) with α = 2.
///
/// All five factors differ and none is 0: so a wrong symbol changes the sum, and so does a swap of any two.
fn group_check(number: u8, data: &[u8]) -> u8 {
    // Horner, from the highest power
    let sum = data.iter().rev().fold(0, |sum, symbol| times_alpha(sum ^ symbol));
    sum ^ number
}

/// Multiplies by x modulo x⁵ + x² + 1.
fn times_alpha(symbol: u8) -> u8 {
    let doubled = symbol << 1;
    if doubled & 0x20 == 0 { doubled } else { doubled ^ 0x25 }
}

fn wrong_groups(typed: &[u8]) -> impl Iterator<Item = usize> {
    let is_wrong = |group: &[u8], number| {
        group.len() != GROUP_LEN || group_check(number, &group[..GROUP_DATA]) != group[GROUP_DATA]
    };
    typed
        .chunks(GROUP_LEN)
        .zip(1u8..=u8::MAX)
        .filter(move |(group, number)| is_wrong(group, *number))
        .map(|(_, n)| n as usize)
}

fn read_symbols(text: &str) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    // room for all of it from the start: growing would leave copies behind
    let mut symbols = Zeroizing::new(Vec::with_capacity(text.len()));
    for character in text.chars().filter(|c| !is_separator(*c)) {
        let group = symbols.len() / GROUP_LEN + 1;
        symbols.push(symbol_of(character).ok_or(KeyFileError::CodeCharacter { character, group })?);
    }
    Ok(symbols)
}

fn symbol_of(character: char) -> Option<u8> {
    let upper = match character.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    ALPHABET.iter().position(|known| *known as char == upper).map(|at| at as u8)
}

/// Word processors turn dashes into longer ones.
fn is_separator(character: char) -> bool {
    character.is_whitespace() || matches!(character, '-' | '_' | '.' | '\u{2010}'..='\u{2015}')
}

/// The number of the first group of another length, when groups were typed as groups.
fn odd_token(text: &str) -> Option<usize> {
    let tokens: Vec<&str> = text.split(is_separator).filter(|token| !token.is_empty()).collect();
    let odd = tokens.iter().position(|token| token.chars().count() != GROUP_LEN)?;
    (tokens.len() == GROUPS).then_some(odd + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (RecoverySecret, Vec<char>) {
        let secret = RecoverySecret::from_bytes(std::array::from_fn(|i| (i * 37 + 11) as u8));
        let code = RecoveryCode::new(&secret).as_str().replace('-', "").chars().collect();
        (secret, code)
    }

    fn parse(code: &[char]) -> Result<RecoverySecret, KeyFileError> {
        RecoveryCode::parse(&code.iter().collect::<String>())
    }

    fn groups_of(error: KeyFileError) -> Vec<usize> {
        match error {
            KeyFileError::CodeGroups { groups } => groups,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_code_gives_back_the_secret_that_it_was_made_of() {
        for secret in [[0; 32], [255; 32]]
            .map(RecoverySecret::from_bytes)
            .into_iter()
            .chain((0..100).map(|_| RecoverySecret::generate()))
        {
            let code = RecoveryCode::new(&secret);
            assert!(RecoveryCode::parse(code.as_str()).unwrap().is_same(&secret));
            assert!(RecoveryCode::parse(&code.lines().join("\n")).unwrap().is_same(&secret));
            assert_eq!(code.lines().map(str::len), [41, 41]);
        }
    }

    #[test]
    fn a_code_may_be_typed_as_people_type() {
        let (secret, code) = sample();
        let text: String = code.iter().collect();
        let spaced = text
            .as_bytes()
            .chunks(5)
            .map(|g| String::from_utf8_lossy(g).to_lowercase())
            .collect::<Vec<_>>()
            .join(" \u{2013} ");
        for typed in
            [text.to_lowercase(), spaced, text.replace('0', "o"), text.replace('1', "l"), text.replace('1', "I")]
        {
            assert!(RecoveryCode::parse(&typed).unwrap().is_same(&secret), "{typed}");
        }
    }

    #[test]
    fn every_single_wrong_character_names_its_group() {
        let (_, code) = sample();
        for at in 0..CODE_LEN {
            for symbol in ALPHABET.map(char::from).into_iter().filter(|s| *s != code[at]) {
                let mut wrong = code.clone();
                wrong[at] = symbol;
                assert_eq!(groups_of(parse(&wrong).unwrap_err()), [at / GROUP_LEN + 1]);
            }
        }
    }

    #[test]
    fn every_swap_of_neighbours_names_its_groups() {
        let (_, code) = sample();
        for at in (0..CODE_LEN - 1).filter(|at| code[*at] != code[*at + 1]) {
            let mut wrong = code.clone();
            wrong.swap(at, at + 1);
            let mut expected = vec![at / GROUP_LEN + 1, (at + 1) / GROUP_LEN + 1];
            expected.dedup();
            assert_eq!(groups_of(parse(&wrong).unwrap_err()), expected);
        }
    }

    #[test]
    fn swapped_groups_are_named() {
        let (_, code) = sample();
        for (a, b) in (0..GROUPS).flat_map(|a| (a + 1..GROUPS).map(move |b| (a, b))) {
            let mut groups: Vec<&[char]> = code.chunks(GROUP_LEN).collect();
            groups.swap(a, b);
            assert_eq!(groups_of(parse(&groups.concat()).unwrap_err()), [a + 1, b + 1]);
        }
    }

    #[test]
    fn a_missing_or_doubled_character_names_where_to_look() {
        let (secret, code) = sample();
        let text = RecoveryCode::new(&secret).as_str().to_string();
        let mut groups: Vec<&str> = text.split('-').collect();
        groups[4] = &groups[4][1..];
        let error = RecoveryCode::parse(&groups.join("-")).map(|_| ()).unwrap_err();
        assert!(matches!(error, KeyFileError::CodeLength { found: 69, group: 5, .. }), "{error}");
        let mut doubled = code.clone();
        doubled.insert(12, code[12]);
        assert!(matches!(parse(&doubled).map(|_| ()), Err(KeyFileError::CodeLength { found: 71, .. })));
        assert!(matches!(RecoveryCode::parse("").map(|_| ()), Err(KeyFileError::CodeLength { found: 0, .. })));
    }

    #[test]
    fn a_character_of_no_code_is_named() {
        let (_, mut code) = sample();
        code[7] = 'U';
        assert!(matches!(parse(&code).map(|_| ()), Err(KeyFileError::CodeCharacter { character: 'U', group: 2 })));
    }

    #[test]
    fn groups_that_fit_by_themselves_do_not_make_a_code() {
        let (_, code) = sample();
        let mut symbols: Vec<u8> = code.iter().map(|c| symbol_of(*c).unwrap()).collect();
        symbols[6] ^= 1;
        symbols[9] = group_check(2, &symbols[5..9]);
        let forged: Vec<char> = symbols.iter().map(|s| ALPHABET[*s as usize] as char).collect();
        assert!(matches!(parse(&forged).map(|_| ()), Err(KeyFileError::CodeWhole)));
    }

    #[test]
    fn a_code_of_a_newer_version_says_so() {
        let (_, code) = sample();
        let mut symbols: Vec<u8> = code.iter().map(|c| symbol_of(*c).unwrap()).collect();
        symbols[0] = 2;
        symbols[4] = group_check(1, &symbols[..4]);
        let newer: Vec<char> = symbols.iter().map(|s| ALPHABET[*s as usize] as char).collect();
        assert!(matches!(parse(&newer).map(|_| ()), Err(KeyFileError::CodeVersion { found: 2, .. })));
    }
}
