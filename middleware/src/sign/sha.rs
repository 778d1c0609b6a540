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

    pub(super) fn digest(data: &[u8]) -> Words {
        let mut hash = Self::new();
        hash.update(data);
        hash.finish()
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

    /// Tells most states apart: enough to guess whether the same text was hashed before, not to know it.
    pub(super) fn fingerprint(&self) -> u64 {
        let [a, b, ..] = self.state;
        (u64::from(a) << 32) ^ u64::from(b) ^ self.length.rotate_left(17)
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

impl Drop for Hmac {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
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
