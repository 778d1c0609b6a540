//! SHA-256 and HMAC over a block function whose state can be kept and gone on from.

use sha2::block_api::compress256;
use std::slice;
use zeroize::Zeroize;

/// Eight words: the state between two blocks, and in the end the digest.
pub(super) type Words = [u32; 8];

/// What every SHA-256 starts from: the first thirty-two bits of the fractional parts of the square roots of the
/// first eight primes.
const START: Words =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

const BLOCK: usize = 64;

/// A hash that is not finished. A clone of it goes on from the same place.
#[derive(Clone)]
pub(super) struct Sha256 {
    state: Words,
    block: [u8; BLOCK],
    filled: usize,
    length: u64,
}

/// A hash of all but its last 64 bytes, with these left open and the padding behind them in place.
#[derive(Clone)]
pub(super) struct Gap {
    state: Words,
    blocks: [[u8; BLOCK]; 3],
    /// Where the gap begins, in the blocks.
    at: usize,
    /// Whether all three blocks are needed, or two do.
    three: bool,
}

/// A key of HMAC, as the two states that everything hashed under it starts from.
#[derive(Clone)]
pub(super) struct Hmac {
    inner: Words,
    outer: Words,
}

impl Sha256 {
    pub(super) fn new() -> Self {
        Self::from_state(START, 0)
    }

    fn from_state(state: Words, length: u64) -> Self {
        Self { state, block: [0; BLOCK], filled: 0, length }
    }

    #[inline]
    pub(super) fn digest(data: &[u8]) -> Words {
        let mut state = START;
        let (blocks, tail) = data.as_chunks::<BLOCK>();
        if !blocks.is_empty() {
            compress256(&mut state, blocks);
        }
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let mut last = [[0; BLOCK]; 2];
        let (text, padding) = last.as_flattened_mut().split_at_mut(tail.len());
        text.copy_from_slice(tail);
        let two = pad(padding, tail.len(), length);
        compress256(&mut state, if two { &last } else { last.split_at(1).0 });
        state
    }

    #[inline]
    pub(super) fn update(&mut self, data: &[u8]) {
        self.length = self.length.wrapping_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        let mut rest = data;
        if self.filled > 0 {
            let (_, space) = self.block.split_at_mut(self.filled);
            if rest.len() < space.len() {
                space.split_at_mut(rest.len()).0.copy_from_slice(rest);
                self.filled += rest.len();
                return;
            }
            let (fitting, over) = rest.split_at(space.len());
            space.copy_from_slice(fitting);
            compress256(&mut self.state, slice::from_ref(&self.block));
            rest = over;
        }
        let (blocks, tail) = rest.as_chunks::<BLOCK>();
        if !blocks.is_empty() {
            compress256(&mut self.state, blocks);
        }
        self.block.split_at_mut(tail.len()).0.copy_from_slice(tail);
        self.filled = tail.len();
    }

    #[inline]
    pub(super) fn finish(mut self) -> Words {
        let bits = self.length.wrapping_mul(8).to_be_bytes();
        let (_, space) = self.block.split_at_mut(self.filled);
        space.fill(0);
        if let Some(mark) = space.first_mut() {
            *mark = 0x80;
        }
        if space.len() < 9 {
            compress256(&mut self.state, slice::from_ref(&self.block));
            self.block.fill(0);
        }
        if let Some(length) = self.block.last_chunk_mut() {
            *length = bits;
        }
        compress256(&mut self.state, slice::from_ref(&self.block));
        self.state
    }

    /// Leaves the last 64 bytes open.
    pub(super) fn with_gap(&self) -> Gap {
        let mut blocks = [[0; BLOCK]; 3];
        let (text, rest) = blocks.as_flattened_mut().split_at_mut(self.filled);
        text.copy_from_slice(self.block.split_at(self.filled).0);
        let (_, padding) = rest.split_at_mut(BLOCK);
        let three = pad(padding, self.filled, self.length.wrapping_add(64));
        Gap { state: self.state, blocks, at: self.filled, three }
    }

    /// Tells most states apart: enough to guess whether the same text was hashed before, not to know it.
    pub(super) fn fingerprint(&self) -> u64 {
        let [a, b, ..] = self.state;
        (u64::from(a) << 32) ^ u64::from(b) ^ self.length.rotate_left(17)
    }
}

impl Gap {
    #[inline]
    pub(super) fn fill(&self, text: &[u8; 64]) -> Words {
        let mut blocks = self.blocks;
        let (_, open) = blocks.as_flattened_mut().split_at_mut(self.at);
        if let Some(open) = open.first_chunk_mut() {
            *open = *text;
        }
        let mut state = self.state;
        compress256(&mut state, if self.three { &blocks } else { blocks.split_at(2).0 });
        state
    }
}

impl Hmac {
    pub(super) fn new(key: &[u8]) -> Self {
        let mut block = [0; BLOCK];
        let mut folded = [0; 32];
        let short = if key.len() > BLOCK {
            folded = bytes(&Sha256::digest(key));
            &folded[..]
        } else {
            key
        };
        block.split_at_mut(short.len()).0.copy_from_slice(short);
        let (mut inner, mut outer) = (START, START);
        compress256(&mut inner, &[block.map(|byte| byte ^ 0x36)]);
        compress256(&mut outer, &[block.map(|byte| byte ^ 0x5c)]);
        block.zeroize();
        folded.zeroize();
        Self { inner, outer }
    }

    /// A hash that a message is put into; [`seal`](Self::seal) takes its digest.
    pub(super) fn begin(&self) -> Sha256 {
        Sha256::from_state(self.inner, 64)
    }

    #[inline]
    pub(super) fn seal(&self, inner: &Words) -> Words {
        let mut block = [0; BLOCK];
        let (text, padding) = block.split_at_mut(32);
        text.copy_from_slice(&bytes(inner));
        if let Some(mark) = padding.first_mut() {
            *mark = 0x80;
        }
        // A block of the key and the 32 bytes of the inner digest, in bits.
        if let Some(length) = padding.last_chunk_mut() {
            *length = u16::to_be_bytes(8 * (64 + 32));
        }
        let mut state = self.outer;
        compress256(&mut state, &[block]);
        state
    }

    pub(super) fn of(&self, message: &[u8]) -> [u8; 32] {
        let mut hash = self.begin();
        hash.update(message);
        bytes(&self.seal(&hash.finish()))
    }
}

impl Zeroize for Sha256 {
    fn zeroize(&mut self) {
        self.state.zeroize();
        self.block.zeroize();
    }
}

impl Zeroize for Gap {
    fn zeroize(&mut self) {
        self.state.zeroize();
        self.blocks.zeroize();
    }
}

impl Drop for Hmac {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

/// Writes what comes behind a text that leaves `filled` bytes in its last block, into zeroes that begin right there.
/// `true` when that takes one block more.
#[inline]
fn pad(behind: &mut [u8], filled: usize, length: u64) -> bool {
    let more = filled + 9 > BLOCK;
    let end = if more { 2 * BLOCK } else { BLOCK } - filled;
    if let Some(mark) = behind.first_mut() {
        *mark = 0x80;
    }
    if let Some(bits) = behind.get_mut(..end).and_then(<[u8]>::last_chunk_mut) {
        *bits = length.wrapping_mul(8).to_be_bytes();
    }
    more
}

pub(super) fn bytes(words: &Words) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (chunk, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
        *chunk = word.to_be_bytes();
    }
    bytes
}

#[inline]
pub(super) fn hex(bytes: &[u8; 32]) -> [u8; 64] {
    let mut text = [0; 64];
    for ([high, low], byte) in text.as_chunks_mut().0.iter_mut().zip(bytes) {
        *high = digit(byte >> 4);
        *low = digit(byte & 15);
    }
    text
}

fn digit(value: u8) -> u8 {
    value + if value < 10 { b'0' } else { b'a' - 10 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::{digest, hmac};

    #[test]
    fn it_is_sha_256_however_the_text_is_cut() {
        let text: Vec<u8> = (0..=255).cycle().take(300).collect();
        for length in 0..text.len() {
            let text = &text[..length];
            let expected = digest::digest(&digest::SHA256, text);
            assert_eq!(bytes(&Sha256::digest(text)), expected.as_ref(), "{length} bytes");
            if let Some((open, rest)) = text.split_last_chunk::<64>().map(|(rest, open)| (open, rest)) {
                let mut hash = Sha256::new();
                hash.update(rest);
                assert_eq!(
                    bytes(&hash.with_gap().fill(open)),
                    expected.as_ref(),
                    "{length} bytes with a gap"
                );
            }
            for cut in [1, 7, 55, 56, 63, 64, 65, 128] {
                let mut hash = Sha256::new();
                text.chunks(cut).for_each(|piece| hash.update(piece));
                assert_eq!(bytes(&hash.finish()), expected.as_ref(), "{length} bytes in pieces of {cut}");
            }
        }
    }

    #[test]
    fn it_is_hmac_for_keys_of_any_length() {
        for length in [0, 1, 31, 32, 63, 64, 65, 200] {
            let key = vec![7; length];
            let expected = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), b"message");
            assert_eq!(Hmac::new(&key).of(b"message"), expected.as_ref(), "a key of {length} bytes");
        }
    }

    #[test]
    fn hexadecimal_is_in_lower_case() {
        let digest = bytes(&Sha256::digest(b""));
        assert!(hex(&digest).starts_with(b"e3b0c44298fc1c14"));
    }
}
