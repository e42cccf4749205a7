//! Argon2id, version 1.3 (RFC 9106): a key from a passphrase, at a cost that whoever
//! guesses pays for each guess.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroize;

use crate::secret::{Secret, SecretBytes};

/// Bytes of a salt.
pub const SALT: usize = 16;
/// KiB that a derivation may take: 1 GiB.
const MOST_MEMORY: u32 = 1 << 20;
/// KiB that it may write in all its passes: 4 GiB, seconds of one core.
const MOST_WORK: u64 = 4 << 20;
const MOST_LANES: u32 = 16;

/// What one derivation costs, within bounds: the numbers may come from a stranger's
/// file, and must not take gigabytes or minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// KiB of memory.
    memory: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// The second recommendation of RFC 9106: 64 MiB, three passes, four lanes. The
    /// first takes 2 GiB, which many a container that decrypts has not got.
    pub const RECOMMENDED: Self = Self { memory: 64 << 10, passes: 3, lanes: 4 };

    /// `memory` is in KiB. `None` where RFC 9106 or our bounds do not allow it.
    pub fn new(memory: u32, passes: u32, lanes: u32) -> Option<Self> {
        let work = u64::from(memory) * u64::from(passes);
        let allowed = (1..=MOST_LANES).contains(&lanes)
            && (8 * lanes..=MOST_MEMORY).contains(&memory)
            && (u64::from(memory)..=MOST_WORK).contains(&work);
        allowed.then_some(Self { memory, passes, lanes })
    }

    /// KiB of memory, passes, lanes.
    pub fn numbers(&self) -> [u32; 3] {
        [self.memory, self.passes, self.lanes]
    }
}

/// There was not as much memory as the cost demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a passphrase of this file takes {} MiB of memory, which are not there", .0 >> 10)]
pub struct OutOfMemory(u32);

/// Derives a key from `passphrase`. The memory that it takes is wiped.
pub fn derive(passphrase: &SecretBytes, salt: &[u8; SALT], cost: Cost) -> Result<Secret<32>, OutOfMemory> {
    let refused = OutOfMemory(cost.memory);
    let params = Params::new(cost.memory, cost.passes, cost.lanes, Some(32)).map_err(|_| refused)?;
    let mut blocks = Blocks(Vec::new());
    blocks.0.try_reserve_exact(params.block_count()).map_err(|_| refused)?;
    blocks.0.resize(params.block_count(), Block::new());
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut outcome = Ok(());
    let key = Secret::from_fn(|out| {
        outcome = argon2.hash_password_into_with_memory(passphrase.expose(), salt, out, &mut blocks.0);
    });
    outcome.map(|()| key).map_err(|_| refused)
}

struct Blocks(Vec<Block>);

impl Drop for Blocks {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(Zeroize::zeroize);
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    #[test]
    fn a_key_is_that_of_the_reference_implementation() {
        // `argon2-cffi` 25.1 (libargon2): hash_secret_raw(b"password", b"somesaltsomesalt", 2, 256, 2, 32, ID).
        let key = derive(
            &SecretBytes::from(b"password".to_vec()),
            b"somesaltsomesalt",
            Cost::new(256, 2, 2).unwrap(),
        );
        assert_eq!(
            HEXLOWER.encode(key.unwrap().expose()),
            "c112d2ee6b9d514413f806243187952186e8f19cacab80f20a823d549f111d2c"
        );
    }

    #[test]
    fn costs_are_bounded() {
        for (memory, passes, lanes) in
            [(65536, 3, 4), (8, 1, 1), (1 << 20, 4, 16), (128, 1, 16), (8, 524_288, 1)]
        {
            assert!(Cost::new(memory, passes, lanes).is_some(), "{memory} {passes} {lanes}");
        }
        for (memory, passes, lanes) in [
            (0, 1, 1),
            (7, 1, 1),
            (127, 1, 16),
            (8, 0, 1),
            (8, 1, 0),
            (1 << 20, 4, 17),
            ((1 << 20) + 1, 1, 1),
            (1 << 20, 5, 1),
            (8, 524_289, 1),
            (u32::MAX, u32::MAX, u32::MAX),
        ] {
            assert!(Cost::new(memory, passes, lanes).is_none(), "{memory} {passes} {lanes}");
        }
    }
}
