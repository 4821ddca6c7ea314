//! What the marketplace runs on, and how it is killed: a PostgreSQL, a Kafka, five services and the gateway, each a
//! process of its own.

use chassis::postgres::{Durability, Options, Postgres};
use rand::{RngExt, rngs::SmallRng};
use sqlx::{ConnectOptions, postgres::PgConnectOptions};
use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// The programs, and how often each is killed in proportion.
pub const PROGRAMS: [&str; 6] = ["post", "offer", "deal", "mypage", "notification", "gateway"];

/// What can be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    Program(&'static str),
    Kafka,
    /// The postmaster: every connection is gone, and the next start recovers from the log.
    Postgres,
    /// One backend: PostgreSQL then throws everybody out and recovers by itself.
    Backend,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Program(name) => name,
            Self::Kafka => "Kafka",
            Self::Postgres => "PostgreSQL",
            Self::Backend => "a PostgreSQL backend",
        })
    }
}

impl Target {
    /// Two in three are services; Kafka takes seconds to come back, so it goes less often.
    pub fn any(random: &mut SmallRng) -> Self {
        match random.random_range(0..20) {
            0 => Self::Kafka,
            1..3 => Self::Postgres,
            3 => Self::Backend,
            4..6 => Self::Program("gateway"),
            number => Self::Program(PROGRAMS[number % 5]),
        }
    }
}

/// Below the range from which the system gives ports to outgoing connections: nobody takes it while its owner is down.
fn free_port() -> u16 {
    static GIVEN: Mutex<Vec<u16>> = Mutex::new(Vec::new());
    let mut given = GIVEN.lock().unwrap();
    let from = 12_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    let free = |port: &u16| !given.contains(port) && TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let port = (from..32_000).find(free).expect("a free port");
    given.push(port);
    port
}

fn signal(signal: &str, pid: &str) -> bool {
    Command::new("kill")
        .args([signal, pid])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

struct Program {
    child: Option<Child>,
    log: PathBuf,
    starts: u32,
}

/// All of it.
pub struct Machines {
    dir: PathBuf,
    ports: BTreeMap<&'static str, u16>,
    programs: BTreeMap<&'static str, Program>,
    postgres: Option<Postgres>,
    database: PgConnectOptions,
    kafka_port: u16,
    /// What the programs did that they should not have.
    pub findings: Vec<String>,
}

impl Machines {
    /// Starts everything, and waits until it is ready.
    pub async fn start() -> Self {
        let dir = std::env::temp_dir().join(format!("secondhandtrading-crash-{}", std::process::id()));
        // Durable, because a commit that PostgreSQL has confirmed has to survive its death.
        let options = Options { data_dir: dir.join("postgres"), durability: Durability::Durable };
        fs::create_dir_all(dir.join("logs")).unwrap();
        let postgres = Postgres::start(options).await.unwrap_or_else(|error| panic!("{error}"));
        let database = postgres.url().parse().unwrap();
        let ports = PROGRAMS.map(|name| (name, free_port())).into();
        let mut machines = Self {
            dir,
            ports,
            programs: BTreeMap::new(),
            postgres: Some(postgres),
            database,
            kafka_port: free_port(),
            findings: Vec::new(),
        };
        machines.script("start").await;
        for name in PROGRAMS {
            machines.start_program(name);
        }
        machines.ready().await;
        machines
    }

    /// The administrator's database.
    pub fn database(&self) -> &PgConnectOptions {
        &self.database
    }

    pub fn kafka(&self) -> String {
        format!("127.0.0.1:{}", self.kafka_port)
    }

    pub fn address(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}", self.ports[name])
    }

    /// Waits until every program is ready.
    pub async fn ready(&mut self) {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build().unwrap();
        let deadline = Instant::now() + Duration::from_secs(120);
        for name in PROGRAMS {
            let path = format!("{}/readyz", self.address(name));
            while !client.get(&path).send().await.is_ok_and(|answer| answer.status() == 200) {
                assert!(Instant::now() < deadline, "{name} is not ready in two minutes");
                self.keep_running();
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    async fn script(&self, command: &str) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/kafka");
        let mut script = tokio::process::Command::new(script);
        script.args([command, "--port", &self.kafka_port.to_string()]);
        script.env("XDG_STATE_HOME", self.dir.join("kafka")).stdout(Stdio::null());
        assert!(script.status().await.unwrap().success(), "scripts/kafka {command}");
    }

    fn environment(&self, name: &'static str) -> Vec<(String, String)> {
        let mut environment = vec![("PORT".to_owned(), self.ports[name].to_string())];
        if name == "gateway" {
            let upstreams = PROGRAMS.into_iter().filter(|name| *name != "gateway");
            environment.extend(
                upstreams.map(|name| (format!("{}_URL", name.to_ascii_uppercase()), self.address(name))),
            );
        } else {
            let own = self.database.clone().username(name);
            environment.extend([
                ("DATABASE_ADMIN_URL".to_owned(), self.database.to_url_lossy().to_string()),
                ("DATABASE_URL".to_owned(), own.to_url_lossy().to_string()),
                ("KAFKA_BOOTSTRAP_SERVERS".to_owned(), self.kafka()),
                ("GATEWAY_URL".to_owned(), self.address("gateway")),
            ]);
        }
        environment
    }

    fn start_program(&mut self, name: &'static str) {
        // Beside the test's own folder, where `cargo build --workspace` puts them.
        let target = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
        let starts = self.programs.get(name).map_or(0, |program| program.starts) + 1;
        let log = self.dir.join(format!("logs/{name}-{starts:04}.log"));
        let output = File::create(&log).unwrap();
        let mut command = Command::new(target.join(name));
        command
            .env("RUST_BACKTRACE", "0")
            .env_remove("DATABASE_URL")
            .env("AUTH", "open")
            .env_remove("DATA_DIR")
            .envs(self.environment(name));
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let child =
            command.spawn().unwrap_or_else(|error| panic!("{name}: {error}; cargo build --workspace"));
        self.programs.insert(name, Program { child: Some(child), log, starts });
    }

    /// Starts again what ended by itself, as whoever runs such a system would. While PostgreSQL is away, a service that
    /// starts may do so; one that ran may not.
    pub fn keep_running(&mut self) {
        for name in PROGRAMS {
            let program = self.programs.get_mut(name).unwrap();
            let Some(child) = &mut program.child else { continue };
            if let Some(status) = child.try_wait().unwrap() {
                let said = fs::read_to_string(&program.log).unwrap_or_default();
                if said.contains("listens on") {
                    let last: Vec<_> = said.lines().rev().take(3).collect();
                    self.findings.push(format!("{name} ended by itself, {status}: {last:?}"));
                }
                self.start_program(name);
            }
        }
    }

    /// Kills one, leaves it dead for a while, and starts it again.
    pub async fn kill(&mut self, target: Target, pause: Duration) {
        match target {
            Target::Program(name) => {
                let mut child = self.programs.get_mut(name).unwrap().child.take().unwrap();
                child.kill().unwrap();
                child.wait().unwrap();
                self.sleep(pause).await;
                self.start_program(name);
            }
            Target::Kafka => {
                self.script("kill").await;
                self.sleep(pause).await;
                self.script("start").await;
            }
            Target::Postgres => {
                let pid = fs::read_to_string(self.dir.join("postgres/data/postmaster.pid")).unwrap();
                assert!(signal("-KILL", pid.lines().next().unwrap()), "PostgreSQL was there to be killed");
                self.sleep(pause).await;
                self.postgres = None;
                let options =
                    Options { data_dir: self.dir.join("postgres"), durability: Durability::Durable };
                let started = Postgres::start(options).await.unwrap_or_else(|error| panic!("{error}"));
                self.postgres = Some(started);
            }
            Target::Backend => {
                let pid = fs::read_to_string(self.dir.join("postgres/data/postmaster.pid")).unwrap();
                let children =
                    Command::new("pgrep").args(["-P", pid.lines().next().unwrap()]).output().unwrap();
                let children = String::from_utf8(children.stdout).unwrap();
                // The youngest: a connection of a service, not one of the server's own processes.
                if let Some(youngest) = children.lines().last() {
                    signal("-KILL", youngest);
                }
                self.sleep(pause).await;
            }
        }
    }

    /// Lets time pass, while what ends by itself is started again.
    pub async fn sleep(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            sleep(Duration::from_millis(100).min(until - Instant::now())).await;
            self.keep_running();
        }
    }

    /// Lines of all logs that tell of a panic.
    pub fn panics(&self) -> Vec<String> {
        let logs = fs::read_dir(self.dir.join("logs")).unwrap().filter_map(Result::ok);
        let said = logs.filter_map(|log| fs::read_to_string(log.path()).ok());
        let lines: Vec<_> =
            said.flat_map(|said| said.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
        lines.into_iter().filter(|line| line.contains("panicked") || line.contains("ERROR")).collect()
    }

    /// Where the logs are, kept for who wants to know.
    pub fn keep_logs(&self) -> PathBuf {
        let kept = self.dir.with_extension("logs");
        fs::rename(self.dir.join("logs"), &kept).unwrap();
        kept
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for program in self.programs.values_mut() {
            if let Some(child) = &mut program.child {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/kafka");
        let mut script = Command::new(script);
        script.args(["stop", "--port", &self.kafka_port.to_string()]);
        let _ = script.env("XDG_STATE_HOME", self.dir.join("kafka")).stdout(Stdio::null()).status();
        self.postgres = None;
        // It takes a moment to be gone.
        for _ in 0..50 {
            if fs::remove_dir_all(&self.dir).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
