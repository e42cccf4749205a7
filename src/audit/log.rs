//! The file: one writer thread, fed by a bounded queue.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use data_encoding::HEXLOWER;

use super::Event;
use crate::clock::{Clock, Rfc3339Millis};
use crate::crypto::digest;
use crate::error::Diagnose;

/// Lines that may wait for the writer.
const QUEUE: usize = 16 * 1024;
/// How long a line that nobody waits for may wait.
const PAUSE: Duration = Duration::from_millis(5);
/// Bytes that are written at once.
const BATCH: usize = 256 * 1024;

/// Why the record cannot be kept.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum AuditError {
    #[error("cannot open the audit log '{}'", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("another server writes the audit log '{}'", path.display())]
    Busy { path: PathBuf },
}

impl Diagnose for AuditError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Open { .. } => "check the disk and the owner of the file named by audit.path".into(),
            Self::Busy { .. } => "give each server an audit.path of its own".into(),
        })
    }
}

/// Whether a decision waits for its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It does not; lost lines are counted.
    BestEffort,
    /// It does; a line that cannot be written is an error.
    Required,
}

/// Called when a line is on disk (`true`) or will never be.
type Done = Box<dyn FnOnce(bool) + Send>;

struct Entry {
    /// Without one, the entry only marks a place in the queue.
    event: Option<Event>,
    done: Option<Done>,
}

/// The record. Call [`flush`](Self::flush) before the process ends.
pub struct Log {
    queue: SyncSender<Entry>,
    mode: Mode,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    lost: AtomicU64,
    broken: AtomicBool,
}

impl Log {
    /// Opens the record at `path` and starts a new chain at its end.
    pub fn open(path: &Path, mode: Mode, clock: Arc<dyn Clock>) -> Result<Self, AuditError> {
        let opened = File::options().read(true).append(true).create(true).mode(crate::fs::SECRET).open(path);
        let open_error = |source| AuditError::Open { path: path.to_owned(), source };
        let mut file = opened.map_err(open_error)?;
        // Two writers would tear each other's chain. Terminals and pipes have many by nature.
        if file.metadata().map_err(open_error)?.is_file() {
            file.try_lock().map_err(|_| AuditError::Busy { path: path.to_owned() })?;
        }
        end_last_line(&mut file).map_err(open_error)?;
        let shared = Arc::new(Shared::default());
        let (queue, entries) = sync_channel(QUEUE);
        let writer = Writer {
            file,
            clock,
            format: Rfc3339Millis::default(),
            shared: Arc::clone(&shared),
            previous: [0; 32],
            sequence: 0,
        };
        std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || writer.run(&entries))
            .map_err(open_error)?;
        Ok(Self { queue, mode, shared })
    }

    /// Records `event` soon; a line that cannot be kept is counted.
    pub fn record(&self, event: Event) {
        self.send(Entry { event: Some(event), done: None });
    }

    /// Records `event`, and calls `done` when its line is on disk (`true`) or
    /// will never be.
    pub fn record_durably(&self, event: Event, done: impl FnOnce(bool) + Send + 'static) {
        self.send(Entry { event: Some(event), done: Some(Box::new(done)) });
    }

    fn send(&self, entry: Entry) {
        if let Err(TrySendError::Full(entry) | TrySendError::Disconnected(entry)) = self.queue.try_send(entry)
        {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            if let Some(done) = entry.done {
                done(false);
            }
        }
    }

    /// Waits until all that was recorded before is on disk, or lost.
    pub fn flush(&self) {
        let (done, written) = sync_channel(1);
        let mark = Box::new(move |_| {
            let _ = done.send(());
        });
        if self.queue.send(Entry { event: None, done: Some(mark) }).is_ok() {
            let _ = written.recv();
        }
    }

    /// Whether decisions wait for their lines.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// How many lines were lost since the start.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// Whether the last write succeeded.
    pub fn is_healthy(&self) -> bool {
        !self.shared.broken.load(Ordering::Relaxed)
    }
}

/// A process that was killed may have left half a line: ends it.
fn end_last_line(file: &mut File) -> io::Result<()> {
    let length = file.metadata()?.len();
    let mut last = [b'\n'];
    if length > 0 {
        file.read_exact_at(&mut last, length - 1)?;
    }
    if last == [b'\n'] { Ok(()) } else { file.write_all(b"\n") }
}

struct Writer {
    file: File,
    clock: Arc<dyn Clock>,
    format: Rfc3339Millis,
    shared: Arc<Shared>,
    previous: digest::Digest,
    sequence: u64,
}

impl Writer {
    fn run(mut self, entries: &Receiver<Entry>) {
        let (mut text, mut waiting) = (Vec::with_capacity(BATCH), Vec::new());
        while let Ok(first) = entries.recv() {
            let (mut lines, before) = (0, (self.previous, self.sequence));
            if first.done.is_none() {
                // Nobody waits: what comes in the meantime goes out with it, and those
                // who send it need not wake this thread.
                std::thread::sleep(PAUSE);
            }
            let mut next = Some(first);
            // What queued up while the last batch was written goes out together.
            while let Some(entry) = next {
                if let Some(event) = &entry.event {
                    self.append(&mut text, event);
                    lines += 1;
                }
                waiting.extend(entry.done);
                next = if text.len() < BATCH { entries.try_recv().ok() } else { None };
            }
            let whole = self.file.metadata();
            let mut written = self.file.write_all(&text);
            if written.is_ok() && !waiting.is_empty() {
                written = self.file.sync_data();
            }
            text.clear();
            if let Err(error) = &written {
                // Half a batch on disk would read like tampering: take it back, and the chain too.
                (self.previous, self.sequence) = before;
                if let (Ok(whole), Ok(now)) = (whole, self.file.metadata()) {
                    let _ = self.file.set_len(whole.len().min(now.len()));
                }
                tracing::error!(%error, lines, "audit log cannot be written");
                self.shared.lost.fetch_add(lines, Ordering::Relaxed);
            }
            self.shared.broken.store(written.is_err(), Ordering::Relaxed);
            waiting.drain(..).for_each(|done| done(written.is_ok()));
        }
    }

    fn append(&mut self, text: &mut Vec<u8>, event: &Event) {
        let start = text.len();
        let previous = HEXLOWER.encode(&self.previous);
        let line = event.line(self.format.format(self.clock.now()), self.sequence, &previous);
        if serde_json::to_writer(&mut *text, &line).is_err() {
            // Every field has a JSON form, so this is out of reach; lose the line, not the log.
            text.truncate(start);
            return;
        }
        self.previous = digest::sha256(&[&text[start..]]);
        self.sequence += 1;
        text.push(b'\n');
    }
}
