//! SHA-1 (FIPS 180-4), for one thing only: git names the small files of a repository by it.

/// A running SHA-1.
pub(super) struct Sha1 {
    state: [u32; 5],
    block: [u8; 64],
    /// Bytes taken so far.
    length: u64,
}

impl Sha1 {
    pub(super) fn new() -> Self {
        let state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
        Self { state, block: [0; 64], length: 0 }
    }

    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let at = (self.length % 64) as usize;
            let take = bytes.len().min(64 - at);
            let (now, later) = bytes.split_at(take);
            self.block[at..at + take].copy_from_slice(now);
            self.length += take as u64;
            bytes = later;
            if at + take == 64 {
                self.mix();
            }
        }
    }

    pub(super) fn finish(mut self) -> [u8; 20] {
        let bits = self.length * 8;
        let zeros = (64 + 55 - self.length % 64) % 64;
        self.update(&[0x80]);
        self.update(&vec![0; zeros as usize]);
        self.update(&bits.to_be_bytes());
        let mut digest = [0; 20];
        for (to, word) in digest.chunks_exact_mut(4).zip(self.state) {
            to.copy_from_slice(&word.to_be_bytes());
        }
        digest
    }

    fn mix(&mut self) {
        let mut w = [0_u32; 80];
        for (word, bytes) in w.iter_mut().zip(self.block.chunks_exact(4)) {
            *word = bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
        }
        for t in 16..80 {
            w[t] = (w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = self.state;
        for (t, word) in w.into_iter().enumerate() {
            let (f, k) = match t / 20 {
                0 => ((b & c) | (!b & d), 0x5a82_7999),
                1 => (b ^ c ^ d, 0x6ed9_eba1),
                2 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6_u32),
            };
            let next = a.rotate_left(5).wrapping_add(f).wrapping_add(e).wrapping_add(k).wrapping_add(word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (sum, word) in self.state.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sha1;
    use crate::hash::hex;

    fn sha1(pieces: &[&[u8]]) -> String {
        let mut hash = Sha1::new();
        pieces.iter().for_each(|piece| hash.update(piece));
        hex(&hash.finish())
    }

    /// The examples of FIPS 180-4 and RFC 3174, and what `git hash-object` says of a file with `hello` in it.
    #[test]
    fn known_digests() {
        assert_eq!(sha1(&[]), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(sha1(&[b"abc"]), "a9993e364706816aba3e25717850c26c9cd0d89d");
        let long = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        assert_eq!(sha1(&[long]), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
        assert_eq!(sha1(&[&vec![b'a'; 1_000_000]]), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
        assert_eq!(sha1(&[b"blob 6\0", b"hello\n"]), "ce013625030ba8dba906f756967f9e9ca394464a");
    }

    #[test]
    fn pieces_do_not_matter() {
        let bytes: Vec<u8> = (0..200_u8).collect();
        for cut in 0..bytes.len() {
            assert_eq!(sha1(&[&bytes[..cut], &bytes[cut..]]), sha1(&[&bytes]), "{cut}");
        }
    }
}
