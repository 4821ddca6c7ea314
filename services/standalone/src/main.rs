//! `cargo run`: the whole marketplace, from nothing, in one process.

use chassis::{
    auth::{AuthMode, AuthSettings},
    bus::KafkaSettings,
    postgres::Postgres,
    server,
    service::Service,
    telemetry::LogSettings,
    wire::{Scalar, UserId, Wrong, duration},
};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use sqlx::postgres::PgConnectOptions;
use standalone::{Database, Marketplace, Plan, SERVICES, audit, identity};
use std::{error::Error, path::PathBuf, process::ExitCode, time::Duration};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The whole second-hand marketplace in one process: PostgreSQL, five services and their gateway.
#[derive(Debug, Parser)]
#[command(name = "standalone", version)]
struct Settings {
    #[command(subcommand)]
    command: Option<Command>,
    /// Address to listen on.
    #[arg(long, env = "HOST", default_value = "127.0.0.1")]
    host: String,
    /// The gateway's port; the services listen on the six to two before it. 0 picks free ones.
    #[arg(long, env = "PORT", default_value_t = 8088)]
    port: u16,
    /// Where the data is kept, in a PostgreSQL server of our own.
    #[arg(long, env = "DATA_DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// A running PostgreSQL to use instead, as an administrator who may create roles and schemas.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, global = true)]
    database_url: Option<PgConnectOptions>,
    /// Connections to PostgreSQL, of each service. More than 16 only add latency.
    #[arg(long, env = "DATABASE_POOL", default_value_t = 10)]
    database_pool: u32,
    /// Kafka brokers, host:port, separated by commas. Without them events travel inside of this process.
    #[arg(long = "kafka", env = "KAFKA_BOOTSTRAP_SERVERS", value_name = "BROKERS", global = true)]
    kafka: Option<String>,
    /// Fills an empty system with a believable neighbourhood.
    #[arg(long)]
    demo: bool,
    #[command(flatten)]
    auth: AuthSettings,
    #[command(flatten)]
    log: LogSettings,
}

/// What else it can do; without any of these, it runs the marketplace.
#[derive(Debug, Subcommand)]
enum Command {
    /// Looks whether a running marketplace keeps its promises, and changes nothing. Ends with 0 when all is well, with 1
    /// when something was found, with 2 when the system did not come to rest, so that not all could be looked at. A
    /// system on Kafka is audited with it (--kafka).
    Audit {
        /// How long to wait until nothing is on its way between the services.
        #[arg(long, default_value = "90s", value_parser = duration)]
        patience: Duration,
    },
    /// Prints a token for development, signed with AUTH_HS256_SECRET, else with the secret in the data directory.
    Token {
        /// Whom the bearer shall be.
        #[arg(value_parser = user_id)]
        user: UserId,
        /// With the scope that sees everything, and operates.
        #[arg(long)]
        admin: bool,
        /// How long it is valid.
        #[arg(long, default_value = "1h", value_parser = duration)]
        ttl: Duration,
    },
}

fn user_id(text: &str) -> Result<UserId, String> {
    UserId::from_text(text.trim()).map_err(|wrong| match wrong {
        Wrong::Malformed(message) | Wrong::Unacceptable(message) => message,
    })
}

#[tokio::main]
async fn main() -> ExitCode {
    let (mut settings, services) = told().unwrap_or_else(|error| error.exit());
    let telemetry = settings.log.start();
    let ended = match settings.command.take() {
        None => run(settings, services).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Audit { patience }) => audit(settings, patience).await,
        Some(Command::Token { user, admin, ttl }) => {
            token(settings, &user, admin, ttl).map(|()| ExitCode::SUCCESS)
        }
    };
    telemetry.stop().await;
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What the command line and the environment say, to us and to each service.
fn told() -> Result<(Settings, Vec<Service>), clap::Error> {
    let services = SERVICES.map(|service| service());
    // Alone on one's own machine, nobody has to prove anything unless told to.
    let command = Settings::command().mut_arg("auth", |auth| auth.default_value("open"));
    let command = services.iter().fold(command, |command, service| service.augment(command));
    let matches = command.get_matches();
    let services = services.into_iter().map(|service| service.told(&matches)).collect::<Result<_, _>>()?;
    Ok((Settings::from_arg_matches(&matches)?, services))
}

impl Settings {
    fn database(&self) -> Database {
        match &self.database_url {
            Some(options) => Database::Running(Box::new(options.clone())),
            None => Database::Own(self.data_dir.clone().unwrap_or_else(default_data_dir)),
        }
    }

    fn kafka(&self) -> Option<KafkaSettings> {
        self.kafka.clone().filter(|brokers| !brokers.is_empty()).map(KafkaSettings::at)
    }
}

async fn audit(settings: Settings, patience: Duration) -> Result<ExitCode, Box<dyn Error>> {
    let administrator = match settings.database() {
        Database::Running(options) => *options,
        Database::Own(data_dir) => {
            let url = Postgres::running_on(&data_dir).ok_or_else(|| {
                format!(
                    "nothing runs on the data in {}; start it, or name its directory (--data-dir) or its database \
                     (DATABASE_URL)",
                    data_dir.display()
                )
            })?;
            url.parse()?
        }
    };
    let report = audit::audit(&administrator, settings.kafka().as_ref(), patience)
        .await
        .map_err(|error| error.to_string())?;
    println!("{report}");
    Ok(match (report.broken().is_empty(), report.unrest) {
        (false, _) => ExitCode::FAILURE,
        (true, None) => ExitCode::SUCCESS,
        (true, Some(_)) => ExitCode::from(2),
    })
}

fn token(settings: Settings, user: &UserId, admin: bool, ttl: Duration) -> Result<(), Box<dyn Error>> {
    let data_dir = settings.data_dir.unwrap_or_else(default_data_dir);
    let auth = identity::with_kept_secret(settings.auth, &data_dir)?;
    println!("{}", auth.mint(user, admin, ttl)?);
    Ok(())
}

async fn run(settings: Settings, services: Vec<Service>) -> Result<(), Box<dyn Error>> {
    let shutdown = server::shutdown_on_signals();
    let (database, kafka) = (settings.database(), settings.kafka());
    let plan = Plan {
        host: settings.host,
        port: settings.port,
        database,
        kafka,
        auth: settings.auth,
        database_pool: settings.database_pool,
        services,
    };
    let Some(marketplace) = shutdown.run_until_cancelled(Marketplace::start(&plan, |_| {})).await else {
        return Ok(());
    };
    let marketplace = marketplace?;
    tell(&plan, &marketplace);
    if settings.demo {
        let gateway = format!("http://{}", marketplace.gateway);
        match shutdown.run_until_cancelled(standalone::demo::fill(&gateway, &marketplace.auth)).await {
            Some(Ok(0)) => println!("Example data  left out: there are posts already"),
            Some(Ok(posts)) => println!("Example data  {posts} posts, with offers, deals and reviews"),
            Some(Err(error)) => println!("Example data  incomplete: {error}"),
            None => {}
        }
    }
    shutdown.cancelled().await;
    println!("Stopping.");
    marketplace.stop().await?;
    Ok(())
}

/// A few calm lines: what runs where.
fn tell(plan: &Plan, marketplace: &Marketplace) {
    match &plan.database {
        Database::Own(data_dir) => println!("PostgreSQL    our own, data in {}", data_dir.display()),
        Database::Running(_) => println!("PostgreSQL    yours (DATABASE_URL)"),
    }
    match &plan.kafka {
        Some(kafka) => println!("Events        Kafka at {}, topic {}", kafka.bootstrap_servers, kafka.topic),
        None => println!("Events        inside of this process (KAFKA_BOOTSTRAP_SERVERS switches to Kafka)"),
    }
    match (plan.auth.auth, &plan.database) {
        (AuthMode::Open, _) => println!("Identity      AUTH=open: whom a request names is believed"),
        (AuthMode::Jwt, Database::Own(data_dir)) if plan.auth.lacks_key() => {
            let secret = identity::secret_file(data_dir);
            println!(
                "Identity      AUTH=jwt: `standalone token USER` mints tokens, with {}",
                secret.display()
            );
        }
        (AuthMode::Jwt, _) => println!("Identity      AUTH=jwt: who acts is proved by a token"),
    }
    for (name, address) in &marketplace.services {
        println!("{name:<13} http://{address}");
    }
    println!("gateway       http://{}   <- start here; Ctrl-C stops everything", marketplace.gateway);
}

/// Outside of /root, which the user that PostgreSQL runs as cannot enter.
fn default_data_dir() -> PathBuf {
    let base = match std::env::var_os("XDG_DATA_HOME").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir),
        None => match std::env::var_os("HOME").filter(|home| home != "/root" && !home.is_empty()) {
            Some(home) => PathBuf::from(home).join(".local/share"),
            None => PathBuf::from("/var/lib"),
        },
    };
    base.join("secondhandtrading")
}
