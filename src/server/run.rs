//! Starts a server, runs it, and stops it.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::app::App;
use super::edge::admission::Admission;
use super::edge::linger::Lingering;
use super::edge::tls;
use super::models::{self, Loader};
use super::places::{not_listening, require_places};
use super::reload::KeyringReader;
use super::router::Service;
use super::watchdog::Watchdog;
use super::{ServerError, accept, control, reload, swap};
use crate::audit::{self, Log};
use crate::auth::ReplayMemory;
use crate::clock::{Clock, SystemClock};
use crate::config::{AuditMode, Config, Home};
use crate::container::Others;
use crate::fs::{self, FsError};
use crate::keyring::Store;
use crate::pipeline::{
    AnonymousDenials, Budget, Core, KeyringHealth, KeyringState, Refresh, Snapshot, Statistics,
};
use crate::process;
use crate::progress::Progress;
use crate::runtime::{Runtime, release_idle_memory};
use crate::serving::{ModelSpec, Registry};
use crate::token::Expected;

/// How often counted denials are recorded and freed memory is returned to the system.
const HOUSEKEEPING: Duration = Duration::from_secs(10);
/// One refused request may linger for each group of this many connections.
const LINGERING: usize = 4;
/// Descriptors reserved for the keyring, the certificate, the audit log, the control socket and
/// programs that unwrap keys.
const RESERVED: usize = 64;
/// Assumed number of open descriptors, if the system does not tell.
const OPEN_AT_MOST: usize = 64;
/// How often readiness is checked.
const SETTLING: Duration = Duration::from_millis(100);

/// Everything that a server is started with.
pub struct Options<'a> {
    /// Its home.
    pub home: &'a Home,
    /// Its configuration.
    pub config: &'a Config,
    /// Its keyring.
    pub store: Store,
    /// Identities that open models, besides the keys of the keyring.
    pub others: Others,
    /// Its models.
    pub models: Vec<ModelSpec>,
    /// The loaded ONNX Runtime.
    pub runtime: Runtime,
    /// Receives the progress of loading.
    pub progress: &'a dyn Progress,
}

/// Runs a server until SIGTERM or SIGINT. `ready` is called once, with its URL,
/// when it takes requests.
pub fn run(
    options: Options<'_>,
    ready: impl FnOnce(&str, &Registry) -> Result<(), FsError>,
) -> Result<(), ServerError> {
    let (home, config) = (options.home, options.config);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    home.require_private()?;

    let tokio = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| ServerError::Start { source })?;
    // Bind the port first: that is the most likely to fail, and loading can take minutes.
    let listener = tokio.block_on(listen(config.listen))?;
    let address = listener.local_addr().map_err(|source| ServerError::Start { source })?;
    let url = format!("https://{}", authority(config, address));
    let _alone = lock(home)?;
    require_places(home, config)?;
    // The lock is held: no earlier server accepts requests any more.
    let nonces = ReplayMemory::new(clock.unix(), config.signing.nonces);

    let store = options.store.clone();
    let Prepared { tls, reader, snapshot, registry } = prepare(options, &*clock)?;
    store.remember(&snapshot.keys)?;

    let mode = match config.audit.mode {
        AuditMode::BestEffort => audit::Mode::BestEffort,
        AuditMode::Required => audit::Mode::Required,
    };
    let (refresh, asked) = Refresh::new();
    // After loading, which may have opened descriptors too.
    let connections = connections(config.limits.connections)?;
    let health = KeyringHealth::new(config.keyring.max_stale.0);
    let core = Arc::new(Core {
        registry,
        keyring: KeyringState::new(snapshot, health, refresh),
        nonces: Arc::new(nonces),
        signing: config.signing.mode,
        limits: config.limits,
        body_memory: Budget::new(config.limits.body_memory),
        answer_memory: Budget::new(config.limits.answer_memory),
        audit: Log::open(&config.audit.path, mode, Arc::clone(&clock))?,
        denials: AnonymousDenials::default(),
        statistics: Statistics::default(),
        clock: Arc::clone(&clock),
    });
    let app = Arc::new(App {
        core,
        tls: ArcSwap::new(tls),
        authorities: config.signing.authorities.clone(),
        announced: AtomicBool::new(false),
        draining: AtomicBool::new(false),
        reread: AtomicBool::new(false),
        admission: Admission::new(connections, config.limits.connections_per_address),
        lingering: Lingering::new(connections / LINGERING, config.limits.body),
        started: clock.unix(),
        hsts: !address.ip().is_loopback(),
        url: url.clone(),
    });
    models::report(&app);
    let mut watchdog = follow_files(&app, reader, asked, config)?;
    let service = Arc::new(Service::new(&app));
    let control = {
        let _inside = tokio.enter();
        control::bind(&home.control_socket())?
    };
    tracing::info!(%url, "listening");
    let ready = || {
        tracing::info!(%url, "ready");
        ready(&url, &app.core.registry).map_err(ServerError::from)
    };
    let outcome = tokio.block_on(async {
        tokio::select! {
            outcome = serve(&service, listener, control, ready) => outcome,
            ended = watchdog.ended() => Err(ended),
        }
    });
    // Requests that are still running are cancelled here, and recorded.
    tokio.shutdown_timeout(Duration::from_secs(1));
    let _ = std::fs::remove_file(home.control_socket());
    app.core.denials.flush(&app.core.audit);
    app.core.audit.flush();
    outcome
}

/// Everything that a server needs before its first request.
pub(super) struct Prepared {
    tls: Arc<tls::Identity>,
    reader: KeyringReader,
    snapshot: Snapshot,
    pub(super) registry: Registry,
}

pub(super) fn prepare(options: Options<'_>, clock: &dyn Clock) -> Result<Prepared, ServerError> {
    let Options { home: _, config, store, others, models, runtime, progress } = options;
    if models.is_empty() {
        return Err(ServerError::NoModel);
    }
    if !config.allow_swap {
        swap::require_no_swap()?;
    }
    let tls = tls::identity(&config.tls)?;
    let expected = Expected { issuer: config.issuer.clone(), audience: config.audience.clone() };
    let mut reader = KeyringReader::new(store.clone(), expected, config.signing.window.0);
    // Fail before loading models if the keyring is unusable.
    let (earlier, _) = reader.read()?;
    let registry = Loader { store: &store, clock, runtime, progress }.load(models, others)?;
    // Loading can take minutes; check for revocations again.
    let (keyring, snapshot) = reader.read()?;
    earlier.require_not_newer_than(&keyring, store.path())?;
    models::judge(&registry, &keyring, clock.unix());
    models::require_accepted(&registry)?;
    Ok(Prepared { tls, reader, snapshot, registry })
}

async fn serve(
    service: &Arc<Service>,
    listener: TcpListener,
    control: UnixListener,
    ready: impl FnOnce() -> Result<(), ServerError>,
) -> Result<(), ServerError> {
    let app = service.app();
    let start = |source| ServerError::Start { source };
    let mut terminate = signal(SignalKind::terminate()).map_err(start)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(start)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(start)?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(control::serve(Arc::clone(app), control));
    tokio::spawn(housekeeping(Arc::clone(app)));
    let accept = accept::serve(Arc::clone(service), listener, stopped);
    let end = async {
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => app.reread.store(true, Ordering::Release),
            }
        }
        // Readiness changes first, so that load balancers send no more requests.
        app.draining.store(true, Ordering::Release);
        tracing::info!("draining");
        let _ = stop.send(true);
        std::future::pending::<()>().await;
    };
    let announce = async {
        while !app.core.is_settled() {
            tokio::time::sleep(SETTLING).await;
        }
        // Check the newest keyring before readiness is announced.
        app.core.keyring.refresh.fresh().await;
        models::require_accepted(&app.core.registry)?;
        ready()?;
        // Write the ready file first, so that it exists whenever the server says that it is ready.
        app.announced.store(true, Ordering::Release);
        std::future::pending().await
    };
    tokio::select! {
        () = accept => Ok(()),
        () = end => Ok(()),
        failed = announce => failed,
    }
}

async fn housekeeping(app: Arc<App>) {
    loop {
        tokio::time::sleep(HOUSEKEEPING).await;
        app.core.denials.flush(&app.core.audit);
        app.admission.tell();
        // Both can take long, so they run away from the threads that serve connections.
        let release = || {
            release_idle_memory();
            process::release_after_peak();
        };
        let _ = tokio::task::spawn_blocking(release).await;
    }
}

/// The number of connections for which there are descriptors, up to `wanted`, after those that
/// the server itself needs.
fn connections(wanted: usize) -> Result<usize, ServerError> {
    let Some(limit) = process::raise_descriptor_limit() else { return Ok(wanted) };
    let open = process::open_descriptors().unwrap_or(OPEN_AT_MOST);
    let needed = (open + RESERVED) as u64;
    let left = usize::try_from(limit.saturating_sub(needed)).unwrap_or(usize::MAX);
    if left == 0 {
        return Err(ServerError::Descriptors { limit, needed });
    }
    if left < wanted {
        tracing::warn!(
            connections = left,
            configured = wanted,
            open_files = limit,
            "fewer connections than limits.connections: the limit of open files (ulimit -n) is too low"
        );
    }
    Ok(wanted.min(left))
}

fn follow_files(
    app: &Arc<App>,
    reader: KeyringReader,
    asked: Receiver<()>,
    config: &Config,
) -> Result<Watchdog, ServerError> {
    let watchdog = Watchdog::new();
    let followed = Arc::clone(app);
    watchdog.start("keyring", move || reload::keyring(&followed, reader, &asked))?;
    let (table, followed) = (config.tls.clone(), Arc::clone(app));
    watchdog.start("certificate", move || reload::certificate(&followed, &table))?;
    Ok(watchdog)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServerError> {
    TcpListener::bind(address).await.map_err(not_listening(address))
}

/// Host and port for clients on this machine.
fn authority(config: &Config, address: SocketAddr) -> String {
    if config.listen.ip().is_loopback() || config.listen.ip().is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}

/// Locks `home` for one server. The kernel releases the lock when the process ends.
fn lock(home: &Home) -> Result<File, ServerError> {
    let path: PathBuf = home.state().join("server.lock");
    fs::private_directory(Path::new(&home.state()))?;
    let file = File::options().write(true).create(true).truncate(false).mode(fs::SECRET).open(&path);
    let file = file.map_err(FsError::io("open", &path))?;
    file.try_lock().map_err(|_| ServerError::HomeBusy { path: home.path().to_owned() })?;
    Ok(file)
}
