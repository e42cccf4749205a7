//! Parses the frames of an HTTP/2 client just enough to know whether a header block is
//! unfinished (RFC 9113, sections 3.4, 4.1, 4.3, 6.2 and 6.10).

const PREFACE: usize = 24;
const HEAD: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// The position in the client's bytes.
pub(super) struct HeaderBlocks {
    /// Bytes of the preface that are missing.
    preface: usize,
    head: [u8; HEAD],
    /// Bytes of `head` that have been read.
    known: usize,
    /// Bytes of the frame's payload that are missing.
    payload: usize,
    /// Whether a header block has begun and not ended.
    open: bool,
    /// The number of complete header blocks, counting the preface as one.
    ended: u64,
}

impl HeaderBlocks {
    pub(super) fn new() -> Self {
        Self { preface: PREFACE, head: [0; HEAD], known: 0, payload: 0, open: false, ended: 0 }
    }

    /// Reads more bytes. Returns the number of the unfinished header block, if there is one;
    /// the preface is number 0.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Option<u64> {
        if self.preface > 0 {
            let preface = self.preface.min(bytes.len());
            self.preface -= preface;
            bytes = &bytes[preface..];
            self.ended += u64::from(self.preface == 0);
        }
        while !bytes.is_empty() {
            if self.payload > 0 {
                let taken = self.payload.min(bytes.len());
                self.payload -= taken;
                bytes = &bytes[taken..];
                self.end_frame();
                continue;
            }
            self.head[self.known] = bytes[0];
            self.known += 1;
            bytes = &bytes[1..];
            if self.known == HEAD {
                let [a, b, c, kind, ..] = self.head;
                self.payload = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                self.open |= matches!(kind, HEADERS | CONTINUATION);
                self.end_frame();
            }
        }
        (self.preface > 0 || self.open).then_some(self.ended)
    }

    /// Ends the frame if all of it was read.
    fn end_frame(&mut self) {
        if self.payload > 0 || self.known < HEAD {
            return;
        }
        let [_, _, _, kind, flags, ..] = self.head;
        if matches!(kind, HEADERS | CONTINUATION) && flags & END_HEADERS != 0 {
            self.open = false;
            self.ended += 1;
        }
        self.known = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    fn preface() -> Vec<u8> {
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()
    }

    #[test]
    fn a_header_block_is_open_until_its_last_frame_is_whole() {
        let headers = frame(HEADERS, 0, b"abc");
        let end = frame(CONTINUATION, END_HEADERS, b"d");
        let bytes = [preface(), frame(4, 0, &[]), frame(0, 0, b"data"), headers, end].concat();
        let mut blocks = HeaderBlocks::new();
        let open: Vec<bool> = bytes.iter().map(|byte| blocks.read(&[*byte]).is_some()).collect();
        let before = 24 + 9 + 13;
        for (at, open) in open.iter().enumerate() {
            let expected = at < 23 || (before + 8..bytes.len() - 1).contains(&at);
            assert_eq!(*open, expected, "byte {at}");
        }
        // An empty last frame ends it, and PING does not.
        let mut blocks = HeaderBlocks::new();
        let begun = [frame(HEADERS, 0, b"abc"), frame(6, 0, &[0; 8])].concat();
        assert_eq!(blocks.read(&[preface(), begun.clone()].concat()), Some(1));
        assert_eq!(blocks.read(b""), Some(1));
        // The next one is another.
        let end = frame(CONTINUATION, END_HEADERS, b"");
        assert_eq!(blocks.read(&[end.clone(), begun].concat()), Some(2));
        assert_eq!(blocks.read(&end), None);
        assert_eq!(blocks.read(&frame(HEADERS, END_HEADERS, b"abc")), None);
    }

    proptest! {
        #[test]
        fn pieces_are_read_as_the_whole_is(frames: Vec<(u8, u8, Vec<u8>)>, cut in 1..40usize) {
            let all = frames.iter().flat_map(|(kind, flags, payload)| frame(kind % 11, *flags, payload));
            let bytes: Vec<u8> = preface().into_iter().chain(all).collect();
            let mut pieces = HeaderBlocks::new();
            let mut last = Some(0);
            for piece in bytes.chunks(cut) {
                last = pieces.read(piece);
            }
            prop_assert_eq!(last, HeaderBlocks::new().read(&bytes));
        }
    }
}
