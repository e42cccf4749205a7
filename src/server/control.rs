//! The control socket: a Unix socket in the home, for the owner's own commands.
//! One JSON line in, one JSON line out.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::sync::Semaphore;

use super::ServerError;
use super::app::{App, Status};
use crate::error::Diagnose;
use crate::fs;

const REQUEST_LIMIT: u64 = 4096;
const ANSWER_LIMIT: u64 = 16 << 20;
const TIMEOUT: Duration = Duration::from_secs(5);
/// Requests that are answered at the same time. Each takes a descriptor.
const AT_ONCE: usize = 16;

/// A request on the control socket.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase", deny_unknown_fields)]
enum Request {
    // With braces, so that serde refuses unknown fields.
    Status {},
}

/// Why a running server does not answer.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum ControlError {
    #[error("no server runs at '{}'", path.display())]
    NotRunning { path: PathBuf },
    #[error("cannot talk to the server at '{}'", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("the server at '{}' gave an answer that cannot be understood", path.display())]
    Answer { path: PathBuf, source: serde_json::Error },
}

impl Diagnose for ControlError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NotRunning { .. } => {
                Some("start it with `sealserve serve`, or name its home with --home".into())
            }
            Self::Io { .. } => None,
            Self::Answer { .. } => Some("does it run another version of sealserve?".into()),
        }
    }
}

/// Asks the server at `socket` for its status.
pub fn query(socket: &Path) -> Result<Status, ControlError> {
    let path = || socket.to_owned();
    let io_error = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            ControlError::NotRunning { path: path() }
        }
        _ => ControlError::Io { path: path(), source },
    };
    let answer = ask(socket).map_err(io_error)?;
    serde_json::from_slice(&answer).map_err(|source| ControlError::Answer { path: path(), source })
}

fn ask(socket: &Path) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut question = serde_json::to_vec(&Request::Status {})?;
    question.push(b'\n');
    stream.write_all(&question)?;
    let mut answer = Vec::new();
    BufReader::new(stream.take(ANSWER_LIMIT)).read_until(b'\n', &mut answer)?;
    Ok(answer)
}

/// Checks that a socket can be made at `path`, without making one.
pub(super) fn require_place(path: &Path) -> Result<(), ServerError> {
    let control = |source| ServerError::Control { path: path.to_owned(), source };
    // The kernel limits its length to 107 bytes.
    std::os::unix::net::SocketAddr::from_pathname(path).map_err(control)?;
    Ok(fs::require_writable_directory(path.parent().unwrap_or(path))?)
}

/// Makes the socket at `path`, for the owner only. The caller holds the home's lock, so an
/// existing socket belongs to a server that has ended.
pub(super) fn bind(path: &Path) -> Result<UnixListener, ServerError> {
    let control = |source| ServerError::Control { path: path.to_owned(), source };
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(control(error)),
        _ => {}
    }
    // The directory has mode 0700, so that nobody else can connect before the socket's mode is set.
    let listener = UnixListener::bind(path).map_err(control)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(control)?;
    Ok(listener)
}

/// Answers on `listener` until the process ends.
pub(super) async fn serve(app: Arc<App>, listener: UnixListener) {
    let owner = rustix::process::getuid().as_raw();
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        // More connections wait in the backlog.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let peer = stream.peer_cred().map(|peer| peer.uid());
        if !peer.is_ok_and(|uid| uid == owner || uid == 0) {
            continue;
        }
        let app = Arc::clone(&app);
        tokio::spawn(async move {
            let _place = place;
            let _ = tokio::time::timeout(TIMEOUT, answer(&app, stream)).await;
        });
    }
}

async fn answer(app: &App, mut stream: tokio::net::UnixStream) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut question = Vec::new();
    tokio::io::BufReader::new(reader.take(REQUEST_LIMIT)).read_until(b'\n', &mut question).await?;
    let mut answer = match serde_json::from_slice(&question) {
        Ok(Request::Status {}) => serde_json::to_vec(&app.status())?,
        Err(_) => br#"{"error":"unknown command"}"#.to_vec(),
    };
    answer.push(b'\n');
    writer.write_all(&answer).await
}
