//! ONNX models: two walks over the same bytes, and nothing outside that is no member.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

use sealserve::runtime::external::{ScanError, scan};
use sealserve::runtime::graph;

/// Bytes of the one member that there is.
const MEMBER: u64 = 64;

pub(super) fn holds(model: &[u8]) {
    let scanned = scan(Cursor::new(model));
    match (&scanned, &scan(Slow { inner: Cursor::new(model) })) {
        (Ok(whole), Ok(pieces)) => assert_eq!(whole, pieces),
        (Err(ScanError::Model(whole)), Err(ScanError::Model(pieces))) => {
            assert_eq!(whole.to_string(), pieces.to_string());
        }
        (whole, pieces) => panic!("{whole:?}, but in pieces {pieces:?}"),
    }
    if let Ok(found) = &scanned {
        // What is found was there: memory follows from the bytes read.
        let told: usize = found.iter().map(|external| external.location.len()).sum();
        assert!(told + found.len() <= model.len());
        // A name is fit to be shown: a byte is six at most (`\u{7f}`), or an ellipsis.
        let named: usize = found.iter().map(|external| external.tensor.len()).sum();
        assert!(named <= 6 * model.len() + '…'.len_utf8() * found.len());
        assert!(found.iter().all(|external| external.start <= external.end));
    }

    // Any member would do; what is asked for is what is reported.
    let asked = RefCell::new(BTreeSet::new());
    let open = graph::inspect(model, &|name| {
        asked.borrow_mut().insert(name.to_owned());
        Some(u64::MAX)
    });
    if let Ok(graph) = &open {
        let found: BTreeSet<_> = scanned.unwrap().into_iter().map(|external| external.location).collect();
        assert_eq!(found, graph.needed_members);
        assert_eq!(asked.into_inner(), graph.needed_members);
    }

    // None would do.
    match (graph::inspect(model, &|_| None), &open) {
        (Ok(alone), Ok(open)) => assert!(alone == *open && alone.needed_members.is_empty()),
        (Ok(_), Err(error)) => panic!("{error}: only without members"),
        (Err(_), Ok(open)) => assert!(!open.needed_members.is_empty()),
        (Err(_), Err(_)) => {}
    }

    // One does, and what lies behind its end is refused.
    if let Ok(graph) = graph::inspect(model, &|name| (name == "secret.bin").then_some(MEMBER)) {
        assert!(graph.needed_members.iter().all(|name| name == "secret.bin"));
        let found = scan(Cursor::new(model)).unwrap();
        assert!(found.iter().all(|external| external.location == "secret.bin" && external.end <= MEMBER));
    }
}

/// Reads a byte or two at a time.
struct Slow<R> {
    inner: R,
}

impl<R: Read> Read for Slow<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(1 + usize::from(buffer.len().is_multiple_of(3)));
        self.inner.read(&mut buffer[..most])
    }
}

impl<R: Seek> Seek for Slow<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}
