// SPDX-License-Identifier: GPL-2.0-only
//! Random bytes from a seed: BLAKE3's output stream over the seed, the same in every version.

/// A stream of bytes.
#[derive(Debug, Clone)]
pub(crate) struct Random(blake3::OutputReader);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"pmusim linux random");
        hasher.update(&seed.to_le_bytes());
        Self(hasher.finalize_xof())
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn the_seed_alone_decides() {
        let bytes = |seed, parts: &[usize]| {
            let mut random = Random::new(seed);
            let mut all = Vec::new();
            for n in parts {
                let mut part = vec![0; *n];
                random.fill(&mut part);
                all.extend(part);
            }
            all
        };
        assert_eq!(bytes(1, &[16, 5]), bytes(1, &[21]));
        assert_ne!(bytes(1, &[16]), bytes(2, &[16]));
    }
}
