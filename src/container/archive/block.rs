//! One entry's header: POSIX ustar, with an extended header (pax) only where the
//! name or the size does not fit. There is one form for each entry: a header is
//! read by finding out what it says, writing that, and comparing.

use super::ArchiveFault;
use super::name::shown;

/// Everything in a tar comes in blocks.
pub(super) const BLOCK: usize = 512;
/// Two blocks of zeros end an archive.
pub(super) const END: usize = 2 * BLOCK;
/// Most bytes of a header: an extended header, its records, and the entry's own.
pub(super) const LONGEST: usize = 3 * BLOCK;

/// Most bytes of a name in the plain header.
const SHORT_NAME: usize = 100;
/// The largest size in the plain header: eleven octal digits.
const SMALL: u64 = (1 << 33) - 1;
const PAX_NAME: &[u8] = b"././@PaxHeader";
const REGULAR: u8 = b'0';
const PAX: u8 = b'x';

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) size: u64,
}

impl Entry {
    /// The one form of its header.
    pub(super) fn encode(&self) -> Vec<u8> {
        let name = self.name.as_bytes();
        let mut records = Vec::new();
        if name.len() > SHORT_NAME {
            records.extend(record("path", &self.name));
        }
        if self.size > SMALL {
            records.extend(record("size", &self.size.to_string()));
        }
        let mut out = Vec::with_capacity(LONGEST);
        if !records.is_empty() {
            out.extend(header(PAX_NAME, records.len() as u64, PAX));
            records.resize(BLOCK, 0);
            out.extend(records);
        }
        let size = if self.size > SMALL { 0 } else { self.size };
        out.extend(header(&name[..name.len().min(SHORT_NAME)], size, REGULAR));
        out
    }

    /// Reads the header `bytes`, which stands at `at` and is as long as
    /// [`header_len`] says.
    pub(super) fn parse(bytes: &[u8], at: u64) -> Result<Self, ArchiveFault> {
        let form = |what| ArchiveFault::Form { at, what };
        let block =
            |index: usize| bytes.get(index * BLOCK..(index + 1) * BLOCK).ok_or(ArchiveFault::Truncated);
        for index in (0..bytes.len() / BLOCK).filter(|index| bytes.len() == BLOCK || *index != 1) {
            check_sum(block(index)?, at)?;
        }
        let last = block(bytes.len() / BLOCK - 1)?;
        if let Some(kind) = foreign_kind(last[156]) {
            return Err(ArchiveFault::Kind { name: shown(&lossy_name(last)), kind });
        }
        let mut entry = Self {
            name: lossy_name(last),
            size: octal(&last[124..136]).ok_or_else(|| form("its size is no octal number"))?,
        };
        if bytes.len() == LONGEST {
            let records = block(1)?;
            let end = records.iter().position(|byte| *byte == 0).unwrap_or(BLOCK);
            let text = std::str::from_utf8(&records[..end]).map_err(|_| form("its records are no text"))?;
            for line in text.lines() {
                match line.split_once(' ').and_then(|(_, pair)| pair.split_once('=')) {
                    Some(("path", name)) => name.clone_into(&mut entry.name),
                    Some(("size", size)) => {
                        entry.size = size.parse().map_err(|_| form("its size is no number"))?;
                    }
                    _ => return Err(form("it has records other than path and size")),
                }
            }
        }
        // Whatever else the blocks hold (links, owners, times, sparse maps, a second
        // reading of a number) shows here.
        if entry.encode() != bytes {
            return Err(form("it says more than a name and a size, or says it in another way"));
        }
        Ok(entry)
    }
}

/// Bytes of the header that begins with `block`.
pub(super) fn header_len(block: &[u8; BLOCK]) -> usize {
    if block[156] == PAX { LONGEST } else { BLOCK }
}

/// Zeros between `size` bytes and the next block.
pub(super) fn padding(size: u64) -> usize {
    usize::try_from(size.wrapping_neg() % BLOCK as u64).unwrap_or(0)
}

/// Bytes that a member takes, or `None` beyond `u64`.
pub(super) fn entry_len(entry: &Entry) -> Option<u64> {
    (entry.encode().len() as u64).checked_add(entry.size)?.checked_add(padding(entry.size) as u64)
}

fn header(name: &[u8], size: u64, kind: u8) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[..name.len()].copy_from_slice(name);
    block[100..108].copy_from_slice(b"0000600\0");
    block[108..116].copy_from_slice(b"0000000\0");
    block[116..124].copy_from_slice(b"0000000\0");
    block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    block[136..148].copy_from_slice(b"00000000000\0");
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    let sum = format!("{:06o}\0 ", sum(&block));
    block[148..156].copy_from_slice(sum.as_bytes());
    block
}

/// The sum of a header's bytes, its own field taken for blanks.
fn sum(block: &[u8]) -> u32 {
    let byte = |(at, byte): (usize, &u8)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) };
    block.iter().enumerate().map(byte).sum()
}

fn check_sum(block: &[u8], at: u64) -> Result<(), ArchiveFault> {
    let said = octal(&block[148..155]);
    if said == Some(u64::from(sum(block))) { Ok(()) } else { Err(ArchiveFault::Checksum { at }) }
}

/// A record of an extended header; its length counts its own digits.
fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    format!("{length} {key}={value}\n").into_bytes()
}

/// Octal digits, ended by a NUL, which the field may also lack.
fn octal(field: &[u8]) -> Option<u64> {
    let digits = field.strip_suffix(b"\0").unwrap_or(field);
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

fn lossy_name(block: &[u8]) -> String {
    let name = &block[..SHORT_NAME];
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(SHORT_NAME);
    String::from_utf8_lossy(&name[..end]).into_owned()
}

/// What an entry is that is no regular file.
fn foreign_kind(flag: u8) -> Option<&'static str> {
    Some(match flag {
        REGULAR => return None,
        b'1' => "a hard link",
        b'2' => "a symbolic link",
        b'3' | b'4' => "a device",
        b'5' => "a directory",
        b'6' => "a named pipe",
        b'S' => "a sparse file",
        PAX | b'g' | b'L' | b'K' => "an extended header out of place",
        _ => "of an unknown kind",
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for name in ["a", &"n".repeat(100), &"n".repeat(101), &"d/".repeat(199)] {
            for size in [0, 1, 511, 512, SMALL, SMALL + 1, u64::MAX] {
                let entry = Entry { name: name.to_owned(), size };
                let bytes = entry.encode();
                assert_eq!(bytes.len(), header_len(bytes.first_chunk().unwrap()));
                assert_eq!(Entry::parse(&bytes, 0), Ok(entry), "{name} {size}");
            }
        }
    }

    #[test]
    fn padding_fills_the_block() {
        assert_eq!([0, 1, 511, 512, 513].map(padding), [0, 511, 1, 0, 511]);
    }

    proptest! {
        #[test]
        fn a_changed_header_is_refused_or_says_something_else(
            name in "[a-z/]{1,300}", size: u64, at: prop::sample::Index, bit in 0..8_u32,
        ) {
            let entry = Entry { name, size };
            let mut bytes = entry.encode();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_ne!(Entry::parse(&bytes, 0), Ok(entry));
        }

        #[test]
        fn any_blocks_parse_without_panic(
            bytes in prop::collection::vec(any::<u8>(), LONGEST), long: bool, sum_it: bool,
        ) {
            let mut bytes = bytes;
            if sum_it {
                for index in [0, 2] {
                    let block = &mut bytes[index * BLOCK..(index + 1) * BLOCK];
                    block[156] = REGULAR;
                    let text = format!("{:06o}\0 ", sum(block));
                    block[148..156].copy_from_slice(text.as_bytes());
                }
            }
            let _ = Entry::parse(&bytes[..if long { LONGEST } else { BLOCK }], 0);
        }
    }
}
