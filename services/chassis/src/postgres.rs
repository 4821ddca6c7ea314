//! A private PostgreSQL server: started beside us, reached over a Unix socket only, gone when we are.
//!
//! `standalone` keeps a user's data in one, the tests run on throw-away ones. Everything lives in the
//! one directory given: `data/` (the cluster), `socket/`, `postgres.log` and `lock`.
//!
//! The server is not our child but that of a small `sh`, whose standard input is a pipe that we hold
//! open. However we end, even by `kill -9`, the pipe closes and `sh` stops the server.

mod setup;

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use setup::{Home, User, binaries, initdb};

/// After a `kill -9` the old server's lock and shared memory can outlive it by some seconds.
const PREDECESSOR: Duration = Duration::from_secs(15);
/// The recovery after a crash replays the log; it may take a while, but not for ever.
const RECOVERY: Duration = Duration::from_secs(120);
/// A little more than [`SUPERVISOR`] takes at most.
const STOP: Duration = Duration::from_secs(9);
/// `sun_path` holds 108 bytes on Linux and 104 on macOS, the closing NUL included.
const SOCKET_PATH_MAX: usize = 103;
const SOCKET: &str = ".s.PGSQL.5432";

/// Runs its arguments until standard input closes, then stops them: SIGINT is PostgreSQL's fast
/// shutdown, SIGQUIT its immediate one, for when that hangs (the next start recovers), SIGKILL for when
/// nothing helps. A signal sent to all our processes must not end the supervisor, hence the `trap`. It
/// sleeps in short naps, since a nap is all it can leave behind when it is ended itself.
const SUPERVISOR: &str = r#"
trap '' HUP INT TERM
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
after() {
  naps=$1
  while [ "$naps" -gt 0 ]; do sleep 0.1; naps=$((naps - 1)); done
  kill "-$2" "$server"
}
{
  read -r _ <&3
  kill -INT "$server"
  after 60 QUIT
  after 20 KILL
} 2>/dev/null &
watcher=$!
wait "$server"
code=$?
kill -KILL "$watcher" 2>/dev/null
exit "$code"
"#;

/// Where the data lives and how much it is worth.
#[derive(Debug, Clone)]
pub struct Options {
    /// A directory for this server alone; it is created when missing. As root, its parents must be
    /// open to the user that the server runs as, so not below `/root`.
    pub data_dir: PathBuf,
    /// What a power cut may cost.
    pub durability: Durability,
}

/// What a power cut may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing: what is committed is on the disk.
    Durable,
    /// Everything: for tests, several times faster.
    Throwaway,
}

/// Why there is no server; each says what to do about it, where something can be done.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// No `initdb` and `postgres` anywhere.
    #[error(
        "PostgreSQL is not installed (looked in PATH, /usr/lib/postgresql and the usual places); install it with \
         `apt-get install postgresql` (Debian, Ubuntu), `dnf install postgresql-server` (Fedora) or \
         `brew install postgresql` (macOS), or name a running server in DATABASE_URL"
    )]
    NotInstalled,
    /// The data was written by another major version than those installed.
    #[error(
        "the data in {0} is of PostgreSQL {1}, which is not installed; install it, or choose another directory"
    )]
    OtherVersion(PathBuf, String),
    /// Another process of ours has a server on this directory.
    #[error(
        "the data in {0} is in use by another running instance; stop that one, or choose another directory"
    )]
    InUse(PathBuf),
    /// The directory holds somebody's files; taking it over would change their owner.
    #[error("{0} holds other files; choose an empty or a new directory")]
    NotOurs(PathBuf),
    /// PostgreSQL refuses to run as root, and the user it runs as instead cannot get there.
    #[error(
        "PostgreSQL cannot run as root, and the user it runs as instead (uid {1}) cannot enter {0}; choose a directory such as /var/lib/…"
    )]
    Unreachable(PathBuf, u32),
    /// Root, on a machine with neither of the users that PostgreSQL could run as.
    #[error("PostgreSQL cannot run as root, and there is neither a user `postgres` nor `nobody`")]
    NoUser,
    /// `initdb` failed; its output.
    #[error("initdb failed: {0}")]
    InitDb(String),
    /// The server ended instead of starting, or did not become ready; the end of its log.
    #[error("PostgreSQL did not start: {0}")]
    Start(String),
    /// The server did not end cleanly; the next start recovers its data.
    #[error("PostgreSQL did not stop cleanly: {0}")]
    Stop(String),
    /// A file or a program was not to be had.
    #[error("{0}: {1}")]
    Io(String, #[source] io::Error),
}

/// A PostgreSQL server of our own. Dropping it stops the server too, but waits for nothing.
#[derive(Debug)]
pub struct Postgres {
    url: String,
    socket_dir: PathBuf,
    /// Holds the pipe; see the module's words.
    supervisor: Child,
    /// Locked for as long as we live; the system unlocks it when we die.
    _lock: File,
}

impl Postgres {
    /// Starts a server on `options.data_dir`, creating the cluster the first time (about a second), and
    /// returns when it takes connections. Waits up to 15 s for a killed predecessor to be gone.
    ///
    /// # Errors
    /// Every [`LaunchError`] but `Stop`; nothing is left running then.
    pub async fn start(options: Options) -> Result<Postgres, LaunchError> {
        let Home { dir, user, lock } = Home::open(&options.data_dir).await?;
        let data = dir.join("data");
        let bin = binaries(&data).await?;
        if !data.join("PG_VERSION").exists() {
            initdb(&bin, &dir, user, options.durability).await?;
        }
        let socket_dir = socket_dir(&dir);
        let log = dir.join("postgres.log");
        // One generation of the log is kept, for the question what happened before.
        let _ = fs::rename(&log, dir.join("postgres.log.1"));
        out_of_the_way(&data).await;

        let begun = Instant::now();
        let supervisor = loop {
            // The directory is ours alone (see `lock`), so a socket in it is a dead server's, and one that
            // appears is the new one's: a predecessor on its way out cannot be taken for it.
            let _ = fs::remove_dir_all(&socket_dir);
            // In /tmp somebody else may have been there first; then this fails, as it should.
            fs::create_dir(&socket_dir).map_err(at(&socket_dir))?;
            make_private(&socket_dir, user)?;
            let mut server = server(&bin, &data, &socket_dir, options.durability);
            let output = File::create(&log).map_err(at(&log))?;
            let mut supervisor = supervise(&mut server, &dir, user, output)?;
            if ready(&mut supervisor, &data, &socket_dir, &log).await? {
                break supervisor;
            }
            let said = tail(&log);
            let occupied = said.contains("lock file") || said.contains("shared memory");
            if !occupied || begun.elapsed() > PREDECESSOR {
                return Err(LaunchError::Start(said));
            }
            sleep(Duration::from_millis(200)).await;
        };
        Ok(Postgres { url: url(&socket_dir), socket_dir, supervisor, _lock: lock })
    }

    /// The administrator's URL of the server that somebody runs on `data_dir`; none where nobody does.
    pub fn running_on(data_dir: &Path) -> Option<String> {
        let socket_dir = socket_dir(&fs::canonicalize(data_dir).ok()?);
        socket_dir.join(SOCKET).exists().then(|| url(&socket_dir))
    }

    /// The administrator's URL, of the database `postgres`; sqlx and libpq both read it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops the server: open transactions are rolled back, everything committed is on the disk.
    ///
    /// # Errors
    /// [`LaunchError::Stop`] when that did not go cleanly, within 9 s at most.
    pub async fn stop(mut self) -> Result<(), LaunchError> {
        drop(self.supervisor.stdin.take());
        let ended = timeout(STOP, self.supervisor.wait()).await;
        let _ = fs::remove_dir_all(&self.socket_dir);
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(LaunchError::Stop(status.to_string())),
            Ok(Err(error)) => Err(LaunchError::Stop(error.to_string())),
            Err(_) => Err(LaunchError::Stop("it takes too long".into())),
        }
    }
}

fn server(bin: &Path, data: &Path, socket_dir: &Path, durability: Durability) -> Command {
    let mut server = Command::new(bin.join("postgres"));
    server.arg("-D").arg(data);
    let mut set = |setting: &str| {
        server.args(["-c", setting]);
    };
    set(&format!("unix_socket_directories={}", socket_dir.display()));
    set("unix_socket_permissions=0700");
    set("listen_addresses=");
    set("port=5432");
    set("max_connections=200");
    set("shared_buffers=64MB");
    set("logging_collector=off");
    set("log_destination=stderr");
    if durability == Durability::Throwaway {
        set("fsync=off");
        set("synchronous_commit=off");
        set("full_page_writes=off");
    }
    server
}

/// Starts `command` under the supervising `sh`, out of reach of the terminal's Ctrl-C.
fn supervise(
    command: &mut Command,
    dir: &Path,
    user: Option<User>,
    output: File,
) -> Result<Child, LaunchError> {
    let command = command.as_std();
    let mut sh = Command::new("sh");
    sh.args(["-c", SUPERVISOR, "postgres-supervisor"]).arg(command.get_program()).args(command.get_args());
    let errors = output.try_clone().map_err(at("sh"))?;
    sh.stdin(Stdio::piped()).stdout(output).stderr(errors);
    // The language of the messages, which we read; `initdb` is told its locale.
    sh.current_dir(dir).process_group(0).env("LC_ALL", "C");
    if let Some(User { uid, gid }) = user {
        sh.uid(uid).gid(gid);
    }
    sh.spawn().map_err(at("sh"))
}

/// Waits until the server takes connections (true), or has ended (false).
async fn ready(
    supervisor: &mut Child,
    data: &Path,
    socket_dir: &Path,
    log: &Path,
) -> Result<bool, LaunchError> {
    let deadline = Instant::now() + RECOVERY;
    loop {
        if supervisor.try_wait().map_err(at("sh"))?.is_some() {
            return Ok(false);
        }
        // The socket is there during recovery too, hence line 8; a stale file says "ready" too, hence the socket.
        let status = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
        if status.lines().nth(7).is_some_and(|line| line.trim() == "ready")
            && UnixStream::connect(socket_dir.join(SOCKET)).await.is_ok()
        {
            return Ok(true);
        }
        if Instant::now() > deadline {
            return Err(LaunchError::Start(tail(log)));
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// Deals with two things a crash can leave that would block the data for ever: a server whose supervisor
/// was killed as well, and a lock file whose process number now is some other program's. We hold the
/// directory's lock, so no living instance is meant.
async fn out_of_the_way(data: &Path) {
    let lock_file = data.join("postmaster.pid");
    let content = fs::read_to_string(&lock_file).unwrap_or_default();
    let pid = content.lines().next().unwrap_or_default();
    let Ok(ps) =
        Command::new("ps").args(["-ww", "-o", "args=", "-p", pid]).stderr(Stdio::null()).output().await
    else {
        return; // No `ps` here. PostgreSQL will say what is in its way.
    };
    let program = String::from_utf8_lossy(&ps.stdout);
    if !ps.status.success() || program.trim().is_empty() {
        return; // Gone; PostgreSQL sees that itself.
    }
    if program.contains(&format!("-D {} -c", data.display())) {
        let _ = Command::new("sh").args(["-c", "kill -INT \"$0\"", pid]).status().await;
    } else if !program.contains("postgres") {
        let _ = fs::remove_file(lock_file);
    }
}

/// Beside the data, or, where that path is too long or has letters that the setting would have to quote,
/// a short one that is always the same for this data.
fn socket_dir(dir: &Path) -> PathBuf {
    let beside = dir.join("socket");
    let path = beside.to_string_lossy();
    let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    if plain && path.len() + 1 + SOCKET.len() <= SOCKET_PATH_MAX {
        return beside;
    }
    let mut hasher = DefaultHasher::new();
    dir.hash(&mut hasher);
    PathBuf::from(format!("/tmp/secondhandtrading-{:016x}", hasher.finish()))
}

/// `sslmode` and the port are spelled out because PGSSLMODE and PGPORT would win otherwise.
fn url(socket_dir: &Path) -> String {
    let host = socket_dir.to_string_lossy().replace('/', "%2F");
    format!("postgres://postgres@{host}:5432/postgres?sslmode=disable")
}

/// Only the server's user (and root) may enter.
fn make_private(dir: &Path, user: Option<User>) -> Result<(), LaunchError> {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(at(dir))?;
    user.map_or(Ok(()), |user| chown(dir, Some(user.uid), Some(user.gid))).map_err(at(dir))
}

/// The last lines of a log, enough to see why.
fn tail(log: &Path) -> String {
    let log = fs::read(log).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.trim().lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}

fn at(place: impl AsRef<Path>) -> impl FnOnce(io::Error) -> LaunchError {
    let place = place.as_ref().display().to_string();
    move |error| LaunchError::Io(place, error)
}
