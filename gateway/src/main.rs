//! The gateway as a process of its own. `gateway --help` lists what it can be told.

use std::{error::Error, process::ExitCode};

use chassis::{auth::Verifier, health, server};
use clap::Parser;
use gateway::Config;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let config = Config::parse();
    if config.health {
        return health::ask(config.port).await;
    }
    let telemetry = config.log.start();
    let ended = run(config).await;
    telemetry.stop().await;
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gateway: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> Result<(), Box<dyn Error>> {
    // Refuses what the services would refuse.
    Verifier::new(&config.auth)?;
    let listener = server::bind(&config.host, config.port).await?;
    println!("gateway: http://{}", listener.local_addr()?);
    gateway::run(config, listener, server::shutdown_on_signals()).await?;
    Ok(())
}
