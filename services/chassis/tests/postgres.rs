//! The launcher against the real PostgreSQL of this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use chassis::postgres::{Durability, LaunchError, Options, Postgres};
use sqlx::{Connection, PgConnection};

/// A directory of its own for each test, gone afterwards. Not below the target directory, which may be
/// root's alone, where the server's user could not go.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let dir = std::env::temp_dir().join(format!("launcher-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        Scratch(dir)
    }

    async fn start(&self) -> Result<Postgres, LaunchError> {
        start(&self.0).await
    }

    /// The process number of the server, from its lock file; `None` after a clean stop.
    fn pid(&self) -> Option<String> {
        let content = fs::read_to_string(self.0.join("data/postmaster.pid")).ok()?;
        content.lines().next().map(str::to_owned)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn start(dir: &Path) -> Result<Postgres, LaunchError> {
    Postgres::start(Options { data_dir: dir.to_path_buf(), durability: Durability::Throwaway }).await
}

async fn connect(postgres: &Postgres) -> PgConnection {
    PgConnection::connect(postgres.url()).await.expect("the URL works")
}

fn alive(pid: &str) -> bool {
    Command::new("sh")
        .args(["-c", "kill -0 \"$0\" 2>/dev/null", pid])
        .status()
        .is_ok_and(|status| status.success())
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn data_survives_a_restart_and_korean_is_text() {
    let scratch = Scratch::new("restart");
    let first = scratch.start().await.expect("starts");
    let mut connection = connect(&first).await;
    sqlx::query("create table goods as select '아이폰13 공기계' as name")
        .execute(&mut connection)
        .await
        .expect("writes");
    let trigrams = sqlx::query("create extension pg_trgm").execute(&mut connection).await.is_ok();
    if trigrams {
        let alike: f32 = sqlx::query_scalar("select similarity('아이폰', '아이폰')")
            .fetch_one(&mut connection)
            .await
            .expect("reads");
        assert_eq!(alike, 1.0, "the server's ctype does not know Korean letters");
    }
    first.stop().await.expect("stops cleanly, with a client connected");
    assert_eq!(scratch.pid(), None);

    let second = scratch.start().await.expect("starts again");
    let name: String = sqlx::query_scalar("select name from goods")
        .fetch_one(&mut connect(&second).await)
        .await
        .expect("reads");
    assert_eq!(name, "아이폰13 공기계");
    second.stop().await.expect("stops");
}

#[tokio::test]
async fn a_second_launcher_is_told_and_the_first_lives_on() {
    let scratch = Scratch::new("twice");
    let first = scratch.start().await.expect("starts");
    assert!(matches!(scratch.start().await, Err(LaunchError::InUse(_))));
    connect(&first).await.ping().await.expect("unharmed");
    first.stop().await.expect("stops");
}

#[tokio::test]
async fn a_dropped_server_ends_too() {
    let scratch = Scratch::new("dropped");
    let postgres = scratch.start().await.expect("starts");
    let pid = scratch.pid().expect("runs");
    drop(postgres);
    eventually("the server is gone", || !alive(&pid));
    scratch.start().await.expect("starts again").stop().await.expect("stops");
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_still_works() {
    let scratch = Scratch::new("long");
    let postgres = start(&scratch.0.join("자료 ".repeat(20))).await.expect("starts");
    connect(&postgres).await.ping().await.expect("answers");
    postgres.stop().await.expect("stops");
}

#[tokio::test]
async fn somebody_elses_directory_is_left_alone() {
    let scratch = Scratch::new("foreign");
    fs::create_dir_all(&scratch.0).expect("creates");
    fs::write(scratch.0.join("thesis.txt"), "years of work").expect("writes");
    assert!(matches!(scratch.start().await, Err(LaunchError::NotOurs(_))));
}

#[tokio::test]
async fn a_half_made_cluster_is_made_anew() {
    let scratch = Scratch::new("half");
    fs::create_dir_all(scratch.0.join("initdb-1/base")).expect("creates");
    fs::write(scratch.0.join("lock"), "").expect("writes");
    scratch.start().await.expect("starts").stop().await.expect("stops");
    assert!(!scratch.0.join("initdb-1").exists());
}

/// Not a test of its own: the process that the next one kills.
#[tokio::test]
#[ignore = "the victim of the test below"]
async fn victim() {
    let Some(dir) = std::env::var_os("LAUNCHER_VICTIM") else {
        return;
    };
    let _postgres = start(Path::new(&dir)).await.expect("starts");
    tokio::time::sleep(Duration::from_secs(60)).await;
}

#[tokio::test]
async fn kill_9_leaves_no_server_behind_and_the_next_start_works() {
    let scratch = Scratch::new("killed");
    let mut victim = Command::new(std::env::current_exe().expect("known"))
        .args(["--exact", "victim", "--ignored"])
        .env("LAUNCHER_VICTIM", &scratch.0)
        .stdout(Stdio::null())
        .spawn()
        .expect("runs");
    let socket = scratch.0.join("socket/.s.PGSQL.5432");
    eventually("the victim's server is up", || socket.exists() && scratch.pid().is_some());
    let pid = scratch.pid().expect("runs");
    victim.kill().expect("SIGKILL");
    victim.wait().expect("reaped");
    // Without a pause: the next start has to cope with the server that is still on its way out.
    let next = scratch.start().await.expect("starts");
    assert!(!alive(&pid));
    next.stop().await.expect("stops");
}
