//! The program as people run it: a process that is started, told to stop, and killed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use chassis::testing::{Client, eventually};
use serde_json::json;
use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

/// A directory for one test, gone when the test ends.
struct DataDir(PathBuf);

impl DataDir {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("secondhandtrading-{name}-{}", std::process::id())))
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// `standalone`, running.
struct Process {
    child: Child,
    client: Client,
    lines: Vec<String>,
}

fn command(data_dir: &Path, port: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_standalone"));
    command.args(["--port", port, "--data-dir"]).arg(data_dir);
    // On the local bus over its own PostgreSQL, whatever the other tests use.
    command.env_remove("KAFKA_BOOTSTRAP_SERVERS").env_remove("DATABASE_URL");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Process {
    /// Starts it and reads what it prints until the gateway's line.
    fn start(data_dir: &Path) -> Self {
        Self::spawn(&mut command(data_dir, "0"))
    }

    fn spawn(command: &mut Command) -> Self {
        Self::spawn_telling(command, Stdio::inherit())
    }

    fn spawn_telling(command: &mut Command, stderr: impl Into<Stdio>) -> Self {
        let mut child = command.stderr(stderr).spawn().unwrap();
        let mut lines = Vec::new();
        let mut gateway = None;
        for line in BufReader::new(child.stdout.as_mut().unwrap()).lines() {
            let line = line.unwrap();
            gateway =
                line.strip_prefix("gateway").map(|rest| rest.split_whitespace().next().unwrap().to_owned());
            lines.push(line);
            if gateway.is_some() {
                break;
            }
        }
        let client = Client::new(gateway.unwrap_or_else(|| panic!("no gateway: {lines:?}")));
        Self { child, client, lines }
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Kills it outright, as a crash would.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether any process has this directory on its command line.
fn somebody_uses(data_dir: &Path) -> bool {
    let wanted = data_dir.to_str().unwrap().as_bytes();
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes
        .filter_map(|process| std::fs::read(process.path().join("cmdline")).ok())
        .any(|line| line.windows(wanted.len()).any(|part| part == wanted))
}

#[tokio::test]
async fn it_says_what_runs_where_stops_cleanly_and_finds_its_data_again() {
    let data_dir = DataDir::new("restart");
    let mut expected = Vec::new();
    for signal in ["-INT", "-TERM", "-INT"] {
        let mut process = Process::start(&data_dir.0);
        for service in ["PostgreSQL", "Events", "Identity", "post", "offer", "deal", "mypage", "notification"]
        {
            assert!(process.lines.iter().any(|line| line.starts_with(service)), "{:?}", process.lines);
        }
        let list = process.client.get("/posts?sort=postId").await.expect(200);
        let goods: Vec<_> = list["_embedded"]["posts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|post| post["goods"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(goods, expected, "what was written before is there");

        let body = json!({"userId": "seller01", "goods": format!("자전거 {signal}"), "price": 1});
        process.client.post("/posts", body).await.expect(201);
        expected.push(format!("자전거 {signal}"));

        process.signal(signal);
        let begun = Instant::now();
        assert_eq!(process.child.wait().unwrap().code(), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        assert!(!somebody_uses(&data_dir.0), "nothing is left behind");
    }
}

/// `kill -9` at any moment in a loop of writes: every 201 is there after the restart, and its event has had each of its
/// effects once.
#[tokio::test]
async fn nothing_is_lost_or_doubled_when_it_is_killed() {
    const ROUNDS: u64 = 4;
    let data_dir = DataDir::new("kill");
    let (mut posts, mut offers) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let process = Process::start(&data_dir.0);
        let client = process.client.clone();
        // Two writers that note what was confirmed, until the process is gone under them.
        let writers = (0..2).map(|writer| tokio::spawn(write(client.clone(), round * 2 + writer)));
        let writers: Vec<_> = writers.collect();
        tokio::time::sleep(Duration::from_millis(400 + 270 * round)).await;
        process.kill();
        for writer in writers {
            let (written, offered) = writer.await.unwrap();
            posts.extend(written);
            offers.extend(offered);
        }
    }
    assert!(posts.len() > 10 && offers.len() > 10, "{} posts, {} offers", posts.len(), offers.len());

    let process = Process::start(&data_dir.0);
    let client = &process.client;
    for post_id in &posts {
        client.get(&format!("/posts/{post_id}")).await.expect(200);
    }
    for offer_id in &offers {
        client.get(&format!("/offers/{offer_id}")).await.expect(200);
    }
    // Commands that were cut off may have happened too; so the effects are compared with what is there.
    let total =
        async |path: &str| client.get(path).await.expect(200)["page"]["totalElements"].as_i64().unwrap();
    let (posts, offers) = (total("/posts").await, total("/offers").await);
    eventually("each event has had each of its effects", async || {
        total("/myPages").await == posts
            && total("/purchases").await == offers
            && total("/notifications?kind=offerPlaced").await == offers
    })
    .await;
    // Once: the view counts the offers of each post, and the notifications are one each.
    let list = client.get("/myPages?size=1000").await.expect(200);
    let counted: i64 = list["_embedded"]["myPages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["offerCnt"].as_i64().unwrap())
        .sum();
    assert_eq!(counted, offers);
    process.kill();
    eventually("no PostgreSQL is left behind", async || !somebody_uses(&data_dir.0)).await;
}

/// Writes posts and offers until the answers stop; returns the ids of those that were confirmed.
async fn write(client: Client, writer: u64) -> (Vec<i64>, Vec<i64>) {
    let (mut posts, mut offers) = (Vec::new(), Vec::new());
    for number in 0.. {
        let body =
            json!({"userId": format!("seller{writer}"), "goods": format!("물건 {number}"), "price": 1000});
        let Some(post_id) = client.try_post("/posts", body).await.and_then(|post| post["postId"].as_i64())
        else {
            break;
        };
        posts.push(post_id);
        let body = json!({"userId": "buyer", "postId": post_id, "offerType": "dealOffered"});
        let Some(offer_id) =
            client.try_post("/offers", body).await.and_then(|offer| offer["offerId"].as_i64())
        else {
            break;
        };
        offers.push(offer_id);
    }
    (posts, offers)
}

#[test]
fn the_services_own_options_are_ours_too() {
    let data_dir = DataDir::new("options");
    let said = |words: &[&str], variable: (&str, &str)| {
        let mut command = command(&data_dir.0, "0");
        let output = command.args(words).env(variable.0, variable.1).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, help) = said(&["--help"], ("LOG", ""));
    assert_eq!(code, Some(0));
    let options = ["--deposit-within", "--hold-within", "--offer-expires-after", "--database-pool"];
    for option in options {
        assert!(help.contains(option), "{option} is missing in {help}");
        let (code, told) = said(&[option, "soon"], ("LOG", ""));
        assert!(code == Some(2) && told.contains(option), "{told}");
        let variable = option.trim_start_matches("--").replace('-', "_").to_uppercase();
        let (code, told) = said(&[], (&variable, "soon"));
        assert!(code == Some(2) && told.contains(option), "{told}");
    }
}

#[tokio::test]
async fn an_empty_system_is_filled_with_a_neighbourhood_once() {
    let data_dir = DataDir::new("demo");
    for wrote in ["30 posts", "left out"] {
        let mut process = Process::spawn(command(&data_dir.0, "0").arg("--demo"));
        let mut lines = BufReader::new(process.child.stdout.as_mut().unwrap()).lines();
        let said = lines.next().unwrap().unwrap();
        assert!(said.starts_with("Example data") && said.contains(wrote), "{said}");
        let client = process.client.clone();
        let total =
            async |path: &str| client.get(path).await.expect(200)["page"]["totalElements"].as_i64().unwrap();
        assert_eq!(total("/posts").await, 30);
        for path in [
            "/offers?offerStatus=offerRefused",
            "/deals?status=dealReserved",
            "/deals?status=deliveryStarted",
            "/deals?status=dealCanceled",
            "/deals?status=dealEnded",
            "/payments?state=held",
            "/messages",
            "/wishlists",
            "/reviews",
        ] {
            assert!(total(path).await > 0, "{path}");
        }
        // It says so itself, too.
        let audit = audit(&data_dir.0);
        let said = String::from_utf8(audit.stdout).unwrap();
        assert!(audit.status.success() && said.contains("nothing wrong"), "{said}");
        process.signal("-INT");
        assert_eq!(process.child.wait().unwrap().code(), Some(0));
    }
    let audit = audit(&data_dir.0);
    let said = String::from_utf8(audit.stderr).unwrap();
    assert_eq!(audit.status.code(), Some(1));
    assert!(said.contains("nothing runs on the data in"), "{said}");
}

/// Looks whether what runs on this data keeps its promises.
fn audit(data_dir: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_standalone"));
    command.env_remove("KAFKA_BOOTSTRAP_SERVERS").env_remove("DATABASE_URL");
    command.args(["audit", "--data-dir"]).arg(data_dir).output().unwrap()
}

/// Traces that nobody takes cost their loss and one line.
#[tokio::test]
async fn a_collector_that_is_away_is_told_of_once_and_holds_nothing_up() {
    let data_dir = DataDir::new("collector");
    let mut command = command(&data_dir.0, "0");
    // It takes connections, and hangs up.
    let collector = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = attempts.clone();
    std::thread::spawn(move || {
        for _ in collector.incoming() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).env("OTEL_BSP_SCHEDULE_DELAY", "50");
    let stderr = data_dir.0.with_extension("stderr");
    let mut process = Process::spawn_telling(&mut command, std::fs::File::create(&stderr).unwrap());
    let said = || std::fs::read_to_string(&stderr).unwrap().matches("traces are not taken").count();
    eventually("several batches are lost", async || {
        let body = json!({"userId": "seller01", "goods": "자전거", "price": 1});
        process.client.post("/posts", body).await.expect(201);
        attempts.load(Ordering::Relaxed) > 20
    })
    .await;
    process.signal("-INT");
    let begun = Instant::now();
    assert_eq!(process.child.wait().unwrap().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(said(), 1);
    std::fs::remove_file(stderr).unwrap();
}

#[test]
fn a_taken_port_is_named_with_how_to_choose_another() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let data_dir = DataDir::new("taken");
    let output = command(&data_dir.0, &port).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains(&port) && said.contains("--port"), "{said}");
    assert!(!data_dir.0.exists(), "nothing was started");
}

#[test]
fn a_second_one_on_the_same_data_is_refused() {
    let data_dir = DataDir::new("second");
    let _first = Process::start(&data_dir.0);
    let output = command(&data_dir.0, "0").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("in use"), "{said}");
}

/// `AUTH=jwt` without a key is all a developer needs; and whatever is logged, no log has the secret or a token.
#[tokio::test]
async fn tokens_are_minted_and_no_log_has_one() {
    use std::os::unix::fs::PermissionsExt;
    let data_dir = DataDir::new("guarded");
    let log = data_dir.0.with_extension("log");
    let mut guarded = command(&data_dir.0, "0");
    guarded.args(["--auth", "jwt", "--demo", "--log", "trace"]);
    let mut process = Process::spawn_telling(&mut guarded, File::create(&log).unwrap());
    assert!(process.lines.iter().any(|line| line.starts_with("Identity") && line.contains("AUTH=jwt")));
    let mut lines = BufReader::new(process.child.stdout.as_mut().unwrap()).lines();
    let said = lines.next().unwrap().unwrap();
    assert!(said.contains("30 posts"), "{said}");

    let kept = data_dir.0.join("token-secret");
    assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    let secret = std::fs::read_to_string(&kept).unwrap().trim().to_owned();
    assert!(secret.len() >= 64, "{}", secret.len());
    let token = |arguments: &[&str]| {
        let output = command(&data_dir.0, "0").arg("token").args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let (seller, admin) = (token(&["민지"]), token(&["admin01", "--admin", "--ttl", "5m"]));
    let client = &process.client;
    client.get("/offers").await.expect_problem(401, "token-required");
    client.bearing(format!("{seller}x")).get("/posts").await.expect_problem(401, "invalid-token");
    let total = |list: serde_json::Value| list["page"]["totalElements"].as_i64().unwrap();
    assert_eq!(total(client.bearing(&seller).get("/myPages").await.expect(200)), 6, "a fifth of thirty");
    assert_eq!(total(client.bearing(&admin).get("/myPages").await.expect(200)), 30);

    process.signal("-INT");
    assert_eq!(process.child.wait().unwrap().code(), Some(0));
    let logged = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    assert!(logged.contains("TRACE") && logged.contains("/myPages"), "everything is logged");
    // A token is as good as its signature; demo's own have the same head.
    for hidden in [secret.as_str(), &seller, &admin, "eyJ0eXAiOiJKV1Qi", "Bearer e"] {
        assert!(!logged.contains(hidden), "{hidden}");
    }
    let help = command(&data_dir.0, "0").arg("--help").env("AUTH_HS256_SECRET", &secret).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("AUTH_HS256_SECRET") && !help.contains(&secret));
    let weak = "easy to guess";
    let refused =
        command(&data_dir.0, "0").args(["--auth", "jwt"]).env("AUTH_HS256_SECRET", weak).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("32 bytes") && !said.contains(weak) && !refused.status.success(), "{said}");
}
