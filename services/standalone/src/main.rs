//! `cargo run`: the whole marketplace, from nothing, in one process.

use chassis::{bus::KafkaSettings, server, service::Service, telemetry::LogSettings};
use clap::{CommandFactory, FromArgMatches, Parser};
use sqlx::postgres::PgConnectOptions;
use standalone::{Database, Marketplace, Plan, SERVICES};
use std::{error::Error, path::PathBuf, process::ExitCode};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The whole second-hand marketplace in one process: PostgreSQL, five services and their gateway.
#[derive(Debug, Parser)]
#[command(name = "standalone", version)]
struct Settings {
    /// Address to listen on.
    #[arg(long, env = "HOST", default_value = "127.0.0.1")]
    host: String,
    /// The gateway's port; the services listen on the six to two before it. 0 picks free ones.
    #[arg(long, env = "PORT", default_value_t = 8088)]
    port: u16,
    /// Where the data is kept, in a PostgreSQL server of our own.
    #[arg(long, env = "DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// A running PostgreSQL to use instead, as an administrator who may create roles and schemas.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<PgConnectOptions>,
    /// Connections to PostgreSQL, of each service. More than 16 only add latency.
    #[arg(long, env = "DATABASE_POOL", default_value_t = 10)]
    database_pool: u32,
    /// Kafka brokers, host:port, separated by commas. Without them events travel inside of this process.
    #[arg(long = "kafka", env = "KAFKA_BOOTSTRAP_SERVERS", value_name = "BROKERS")]
    kafka: Option<String>,
    /// Fills an empty system with a believable neighbourhood.
    #[arg(long)]
    demo: bool,
    #[command(flatten)]
    log: LogSettings,
}

#[tokio::main]
async fn main() -> ExitCode {
    let (settings, services) = told().unwrap_or_else(|error| error.exit());
    let telemetry = settings.log.start();
    let ended = run(settings, services).await;
    telemetry.stop().await;
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What the command line and the environment say, to us and to each service.
fn told() -> Result<(Settings, Vec<Service>), clap::Error> {
    let services = SERVICES.map(|service| service());
    let command = services.iter().fold(Settings::command(), |command, service| service.augment(command));
    let matches = command.get_matches();
    let services = services.into_iter().map(|service| service.told(&matches)).collect::<Result<_, _>>()?;
    Ok((Settings::from_arg_matches(&matches)?, services))
}

async fn run(settings: Settings, services: Vec<Service>) -> Result<(), Box<dyn Error>> {
    let shutdown = server::shutdown_on_signals();
    let database = match settings.database_url {
        Some(options) => Database::Running(Box::new(options)),
        None => Database::Own(settings.data_dir.unwrap_or_else(default_data_dir)),
    };
    let plan = Plan {
        host: settings.host,
        port: settings.port,
        database,
        kafka: settings.kafka.filter(|brokers| !brokers.is_empty()).map(KafkaSettings::at),
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
        match shutdown.run_until_cancelled(standalone::demo::fill(&gateway)).await {
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
    println!("Identity      AUTH=open: whom a request names is believed");
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
