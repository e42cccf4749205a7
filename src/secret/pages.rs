//! Secret bytes in pages of their own, for what is as large as a model: it costs
//! nothing until it is filled, and can be given back piece by piece.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::ptr::{self, NonNull};

use rustix::mm::{self, Advice, MapFlags, ProtFlags};
use zeroize::Zeroize;

/// What a wipe writes at once; the pages begin where any number may.
type Word = u64;
const WORD: usize = size_of::<Word>();

/// Secret bytes in private pages. A part that is given back is wiped first, the
/// rest when this is dropped.
pub struct SecretPages {
    start: NonNull<u8>,
    length: usize,
    /// What was not given back: where each piece begins, and where it ends.
    held: BTreeMap<usize, usize>,
}

#[expect(unsafe_code, reason = "the pages belong to this alone, as those of a box would")]
// SAFETY: all access to the pages goes through `&self` or `&mut self`.
unsafe impl Send for SecretPages {}
#[expect(unsafe_code, reason = "the pages belong to this alone, as those of a box would")]
// SAFETY: the same.
unsafe impl Sync for SecretPages {}

impl SecretPages {
    /// `length` zeros to be filled; `None` where there is no memory for them.
    #[expect(unsafe_code, reason = "pages of one's own come from mmap(2)")]
    pub fn zeroed(length: usize) -> Option<Self> {
        let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: the kernel chooses where, so nothing that is mapped is touched.
        let start = unsafe { mm::mmap_anonymous(ptr::null_mut(), mapped(length), access, flags) }.ok()?;
        let start = NonNull::new(start.cast())?;
        Some(Self { start, length, held: BTreeMap::from([(0, length)]) })
    }

    /// The bytes. Every call is a place where a secret may leak: keep them few.
    #[expect(unsafe_code, reason = "these are the bytes that were mapped")]
    pub fn expose(&self) -> &[u8] {
        // SAFETY: so many bytes are mapped, were zeroed, and change through `&mut self` alone.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }

    /// The bytes, to be filled.
    #[expect(unsafe_code, reason = "these are the bytes that were mapped")]
    pub fn expose_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }

    /// Has the system make the pages of `part`, which all of it will be written to, at
    /// once. One by one, as they are written to, they cost more: a tenth of the CPU time
    /// until a model is ready.
    #[expect(unsafe_code, reason = "pages are asked for through madvise(2)")]
    pub fn populate(part: &mut [u8]) {
        if part.is_empty() {
            return;
        }
        let over = part.as_ptr().addr() % page_size();
        // SAFETY: the pages of `part`, and what is in them stays. Older systems do not know this, and where there
        // is no memory for it, nor will there be when it is written to.
        let _ = unsafe {
            let start = part.as_mut_ptr().wrapping_sub(over);
            mm::madvise(start.cast(), part.len() + over, Advice::LinuxPopulateWrite)
        };
    }

    /// Where the bytes begin, for a reader that is not Rust.
    pub fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is nothing inside.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Wipes `range`, and gives the pages that lie in it as a whole back to the
    /// system. What else is read or written there meanwhile must be outside of it.
    pub fn discard(&mut self, range: Range<usize>) {
        let range = range.start..range.end.min(self.length);
        if range.is_empty() {
            return;
        }
        // Pieces do not overlap, so those that end behind its start are the last ones that
        // begin before its end.
        while let Some((&start, &end)) = self.held.range(..range.end).next_back()
            && end > range.start
        {
            let shared = start.max(range.start)..end.min(range.end);
            self.wipe(&shared);
            self.give_back(&shared);
            self.held.remove(&start);
            for rest in [start..shared.start, shared.end..end] {
                if !rest.is_empty() {
                    self.held.insert(rest.start, rest.end);
                }
            }
        }
    }

    /// Bytes that were not given back.
    pub fn held(&self) -> usize {
        self.held.iter().map(|(start, end)| end - start).sum()
    }

    #[expect(unsafe_code, reason = "others may read beside it, so no slice may hold more than it")]
    fn wipe(&mut self, range: &Range<usize>) {
        // SAFETY: the range is within the pages, and `self` is borrowed alone.
        let bytes =
            unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().add(range.start), range.len()) };
        // A byte after the other would take eight times as long.
        // SAFETY: every eight bytes are a number, and every number is eight bytes.
        let (before, words, after) = unsafe { bytes.align_to_mut::<Word>() };
        debug_assert!(before.len() < WORD && after.len() < WORD);
        before.zeroize();
        words.zeroize();
        after.zeroize();
    }

    #[expect(unsafe_code, reason = "pages go back through madvise(2)")]
    fn give_back(&mut self, range: &Range<usize>) {
        let page = page_size();
        // The last page has nothing behind the end but zeros.
        let end = if range.end == self.length { mapped(self.length) } else { range.end / page * page };
        let start = range.start.next_multiple_of(page);
        if start < end {
            // SAFETY: these pages are of this mapping, and nobody needs what they hold.
            // Should the kernel refuse, they stay, wiped.
            let _ = unsafe {
                mm::madvise(self.start.as_ptr().add(start).cast(), end - start, Advice::LinuxDontNeed)
            };
        }
    }
}

/// From the C library: `rustix` reads it from the kernel's own list of addresses, some of
/// which are not there under a memory checker.
#[expect(unsafe_code, reason = "the C library's function is unsafe to call only as all of C is")]
fn page_size() -> usize {
    // SAFETY: it takes a number and touches no memory of ours.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    // Linux always has one; 4096 is the smallest that it has.
    usize::try_from(size).unwrap_or(4096).max(4096)
}

/// Bytes that are mapped for `length`: whole pages, and one at least.
fn mapped(length: usize) -> usize {
    let page = page_size();
    length.max(1).checked_next_multiple_of(page).unwrap_or(usize::MAX)
}

impl Drop for SecretPages {
    #[expect(unsafe_code, reason = "what was mapped is unmapped")]
    fn drop(&mut self) {
        for (start, end) in std::mem::take(&mut self.held) {
            self.wipe(&(start..end));
        }
        // SAFETY: it was mapped so, and nothing borrows from it any more.
        let _ = unsafe { mm::munmap(self.start.as_ptr().cast(), mapped(self.length)) };
    }
}

impl fmt::Debug for SecretPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretPages({} bytes, redacted)", self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(length: usize) -> SecretPages {
        let mut pages = SecretPages::zeroed(length).unwrap();
        assert!(pages.expose().iter().all(|byte| *byte == 0));
        pages.expose_mut().fill(7);
        pages
    }

    #[test]
    fn what_is_given_back_is_wiped_and_the_rest_stays() {
        let page = page_size();
        for length in [0, 1, page - 1, page, 3 * page + 5] {
            for range in [0..0, 0..1, 3..page, page..2 * page, page / 2..2 * page + 9, 0..length, 1..9 * page]
            {
                let mut pages = filled(length);
                pages.discard(range.clone());
                for (at, byte) in pages.expose().iter().enumerate() {
                    assert_eq!(*byte == 0, range.contains(&at), "{length} {range:?} {at}");
                }
                let wiped = pages.expose().iter().filter(|byte| **byte == 0).count();
                assert_eq!(pages.held(), length - wiped);
            }
        }
    }

    #[test]
    fn pieces_can_be_given_back_in_any_order_and_twice() {
        let mut pages = filled(100_000);
        for range in [50_000..60_000, 10_000..20_000, 15_000..55_000, 10_000..60_000] {
            pages.discard(range);
        }
        assert_eq!(pages.held(), 50_000);
        pages.discard(0..100_000);
        assert_eq!(pages.held(), 0);
        assert!(pages.expose().iter().all(|byte| *byte == 0));
    }

    /// Were all pieces looked at for each, this would take hours.
    #[test]
    fn many_pieces_are_given_back_one_by_one() {
        const PIECES: usize = 400_000;
        let mut pages = filled(4 * PIECES);
        for piece in 0..PIECES {
            pages.discard(4 * piece..4 * piece + 3);
        }
        assert_eq!(pages.held(), PIECES);
        assert!(pages.expose().chunks(4).all(|piece| piece == [0, 0, 0, 7]));
        for piece in (0..PIECES).rev() {
            pages.discard(4 * piece + 3..4 * piece + 4);
        }
        assert_eq!(pages.held(), 0);
    }

    #[test]
    fn more_than_there_can_be_is_refused() {
        assert!(SecretPages::zeroed(usize::MAX).is_none());
        assert!(SecretPages::zeroed(1 << 60).is_none());
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", filled(4)), "SecretPages(4 bytes, redacted)");
    }
}
