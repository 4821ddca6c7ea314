//! What has to be there before a server can start: its directory, its user, its programs, its cluster.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::{Durability, LaunchError, at, make_private, supervise, tail};

/// How long a process may take to be gone after `kill -9`.
const DYING: Duration = Duration::from_secs(1);

/// The directory of one server, locked, and who the server runs as (`None`: as we do).
pub(super) struct Home {
    pub(super) dir: PathBuf,
    pub(super) user: Option<User>,
    pub(super) lock: File,
}

/// Whom the server runs as when we are root.
#[derive(Clone, Copy)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Home {
    pub(super) async fn open(dir: &Path) -> Result<Home, LaunchError> {
        fs::create_dir_all(dir).map_err(at(dir))?;
        let dir = fs::canonicalize(dir).map_err(at(dir))?;
        let lock = dir.join("lock");
        let foreign = || fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some());
        if !lock.exists() && foreign() {
            return Err(LaunchError::NotOurs(dir));
        }
        let lock = File::options().create(true).append(true).open(&lock).map_err(at(&lock))?;
        // A killed predecessor is not dead at once, and its lock with it.
        let begun = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if begun.elapsed() < DYING => {
                    sleep(Duration::from_millis(50)).await;
                }
                Err(TryLockError::WouldBlock) => return Err(LaunchError::InUse(dir)),
                Err(TryLockError::Error(error)) => return Err(at(&dir)(error)),
            }
        }
        let user = unprivileged(&dir).await?;
        make_private(&dir, user)?;
        if let Some(user) = user {
            fchown(&lock, Some(user.uid), Some(user.gid)).map_err(at(&dir))?;
            let mut enter = Command::new("sh");
            enter
                .args(["-c", "cd \"$0\" 2>/dev/null"])
                .arg(&dir)
                .current_dir("/")
                .uid(user.uid)
                .gid(user.gid);
            if !enter.status().await.map_err(at(&dir))?.success() {
                return Err(LaunchError::Unreachable(dir, user.uid));
            }
        }
        Ok(Home { dir, user, lock })
    }
}

/// PostgreSQL refuses to run as root. Instead: whoever owns the data already (a user may have made it),
/// else `postgres`, else `nobody`. Asked of `id`, which is everywhere; std does not know, /proc is Linux.
async fn unprivileged(dir: &Path) -> Result<Option<User>, LaunchError> {
    if id(&["-u"]).await? != Some(0) {
        return Ok(None);
    }
    let owner = fs::metadata(dir).map_err(at(dir))?;
    if owner.uid() != 0 {
        return Ok(Some(User { uid: owner.uid(), gid: owner.gid() }));
    }
    for name in ["postgres", "nobody"] {
        if let (Some(uid), Some(gid)) = (id(&["-u", name]).await?, id(&["-g", name]).await?) {
            return Ok(Some(User { uid, gid }));
        }
    }
    Err(LaunchError::NoUser)
}

async fn id(arguments: &[&str]) -> Result<Option<u32>, LaunchError> {
    let output = Command::new("id").args(arguments).output().await.map_err(at("id"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse().ok())
}

/// The directory with `initdb` and `postgres`: the first found, the newest of Debian's, but for existing
/// data the one of its major version.
pub(super) async fn binaries(data: &Path) -> Result<PathBuf, LaunchError> {
    let mut found = Vec::new();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let prefixes = ["/usr/lib/postgresql", "/usr/local", "/opt/homebrew/opt", "/usr/local/opt"];
    let installed = prefixes.iter().flat_map(|prefix| versions(Path::new(prefix)));
    for dir in std::env::split_paths(&path).chain(installed) {
        // A link in PATH leads to the real place, where `initdb` finds its share/.
        let real = |name: &str| fs::canonicalize(dir.join(name)).ok();
        if let (Some(initdb), Some(_)) = (real("initdb"), real("postgres"))
            && let Some(bin) = initdb.parent().map(Path::to_path_buf)
            && !found.contains(&bin)
        {
            found.push(bin);
        }
    }
    let first = found.first().cloned().ok_or(LaunchError::NotInstalled)?;
    let Ok(wanted) = fs::read_to_string(data.join("PG_VERSION")) else {
        return Ok(first);
    };
    for bin in found {
        let output = Command::new(bin.join("postgres")).arg("--version").output().await.map_err(at(&bin))?;
        let version = String::from_utf8_lossy(&output.stdout).into_owned();
        // "postgres (PostgreSQL) 15.8 (Debian …)", "… 18beta1"
        let major =
            version.split_whitespace().nth(2).and_then(|v| v.split(|c: char| !c.is_ascii_digit()).next());
        if major == Some(wanted.trim()) {
            return Ok(bin);
        }
    }
    Err(LaunchError::OtherVersion(data.to_path_buf(), wanted.trim().to_owned()))
}

/// `<prefix>/<version>/bin`, the newest first: 15 of Debian, pgsql, postgresql@17 of Homebrew.
fn versions(prefix: &Path) -> Vec<PathBuf> {
    let names = fs::read_dir(prefix).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut versions: Vec<(u32, OsString)> = names
        .map(|name| {
            let digits: String = name.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
            (digits.parse().unwrap_or(0), name)
        })
        .collect();
    versions.sort();
    versions.into_iter().rev().map(|(_, name)| prefix.join(name).join("bin")).collect()
}

/// Makes the cluster beside its place and moves it there when it is whole, so that a half-made one is
/// never mistaken for data.
pub(super) async fn initdb(
    bin: &Path,
    dir: &Path,
    user: Option<User>,
    durability: Durability,
) -> Result<(), LaunchError> {
    for entry in fs::read_dir(dir).map_err(at(dir))?.flatten() {
        if entry.file_name().to_string_lossy().starts_with("initdb-") {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    // A name of our own: the `initdb` of a killed predecessor may not be quite dead yet.
    let new = dir.join(format!("initdb-{}", std::process::id()));
    let log = dir.join("initdb.log");
    // pg_trgm needs a UTF-8 ctype to see Korean letters; without one everything else still works. The
    // collation is by bytes everywhere: the same order on every machine, and the fastest.
    for locale in ["C.UTF-8", "en_US.UTF-8", "C"] {
        let mut initdb = Command::new(bin.join("initdb"));
        initdb.args(["--encoding=UTF8", "--lc-collate=C", "--auth=trust", "-U", "postgres"]);
        initdb.arg(format!("--locale={locale}")).arg("-D").arg(&new);
        if durability == Durability::Throwaway {
            initdb.arg("--no-sync");
        }
        let output = File::create(&log).map_err(at(&log))?;
        let mut child = supervise(&mut initdb, dir, user, output)?;
        // `wait` would close the pipe, which means: stop.
        let _pipe = child.stdin.take();
        let status = child.wait().await.map_err(at("initdb"))?;
        if status.success() {
            let data = dir.join("data");
            fs::rename(&new, &data).map_err(at(&data))?;
            File::open(dir).and_then(|dir| dir.sync_all()).map_err(at(dir))?;
            return Ok(());
        }
        if !tail(&log).contains("locale") {
            break;
        }
    }
    Err(LaunchError::InitDb(tail(&log)))
}
