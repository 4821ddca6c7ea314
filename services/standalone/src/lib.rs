//! The whole marketplace in one process. `main` runs it for people, the system tests run it on free ports.

pub mod audit;
pub mod demo;
pub mod identity;

use chassis::{
    auth::{AuthSettings, Verifier},
    bus::{Bus, KafkaSettings, LocalBus},
    postgres::{Durability, LaunchError, Options, Postgres},
    server::{self, BindError},
    service::{Prepared, Service},
    store,
};
use futures::future::try_join_all;
use gateway::Upstreams;
use sqlx::postgres::PgConnectOptions;
use std::{error::Error, io, net::SocketAddr, path::PathBuf, time::Duration};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

/// The five services, in the order of their ports.
pub const SERVICES: [fn() -> Service; 5] =
    [post::service, offer::service, deal::service, mypage::service, notification::service];

/// The first of five ports in a row, counted back from the gateway's: 8088 − 6 = 8082.
const FIRST_SERVICE: u16 = 6;

/// Everything has ended by then, or is left to the operating system.
const STOP: Duration = Duration::from_secs(9);

/// Where the data is.
#[derive(Debug, Clone)]
pub enum Database {
    /// In a server of our own, in this directory.
    Own(PathBuf),
    /// In a server that runs already, reached as its administrator.
    Running(Box<PgConnectOptions>),
}

/// How a marketplace is put together.
#[derive(Clone)]
pub struct Plan {
    /// The address everything listens on.
    pub host: String,
    /// The gateway's port; the services' are the six to two before it. 0 picks free ones.
    pub port: u16,
    /// Where the data is.
    pub database: Database,
    /// Connections to it, of each service.
    pub database_pool: u32,
    /// Kafka; the local bus where there is none.
    pub kafka: Option<KafkaSettings>,
    /// Who callers are. `AUTH=jwt` without a key makes a secret for development, in the data directory.
    pub auth: AuthSettings,
    /// [`SERVICES`], and any that a test or a newcomer adds.
    pub services: Vec<Service>,
}

/// A marketplace that runs.
pub struct Marketplace {
    /// The gateway's address.
    pub gateway: SocketAddr,
    /// The services by name, with their addresses.
    pub services: Vec<(&'static str, SocketAddr)>,
    /// Who callers are, with the secret for development where there is one.
    pub auth: AuthSettings,
    stop_gateway: CancellationToken,
    running_gateway: JoinHandle<io::Result<()>>,
    running_services: Vec<(&'static str, CancellationToken, JoinHandle<()>)>,
    postgres: Option<Postgres>,
}

/// Why it does not run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Ports before the gateway's are needed.
    #[error("port {0} leaves no room for the services before it; choose one from 1031, or 0 for free ones")]
    PortTooLow(u16),
    /// Our own PostgreSQL does not start.
    #[error(transparent)]
    Postgres(#[from] LaunchError),
    /// A service cannot be prepared, or something below it failed.
    #[error("{0}: {1}")]
    Service(&'static str, Box<dyn Error>),
    /// The gateway's settings make no sense.
    #[error("{0}")]
    Settings(String),
}

impl Marketplace {
    /// Starts everything, the gateway last: when it answers, all is there.
    ///
    /// # Errors
    /// Says what to do about it, where something can be done. Nothing is left running then.
    pub async fn start(plan: &Plan, tune: impl FnOnce(&mut gateway::Config)) -> Result<Self, StartError> {
        let (gateway_listener, listeners) = listen(plan).await?;
        let gateway = address("gateway", &gateway_listener)?;
        let (postgres, administrator) = match &plan.database {
            Database::Running(options) => (None, (**options).clone()),
            Database::Own(data_dir) => {
                let options = Options { data_dir: data_dir.clone(), durability: Durability::Durable };
                let postgres = Postgres::start(options).await?;
                let options = postgres
                    .url()
                    .parse()
                    .map_err(|error| StartError::Service("postgres", Box::new(error)))?;
                (Some(postgres), options)
            }
        };

        let auth = identity::with_key(plan).map_err(|error| StartError::Settings(error.to_string()))?;
        let verifier = Verifier::new(&auth).map_err(|error| StartError::Settings(error.to_string()))?;
        let gateway_url = format!("http://{}", reachable(gateway));
        let prepared = try_join_all(plan.services.iter().map(|service| {
            let auth = verifier.clone();
            prepare(service.clone(), &administrator, plan.database_pool, &gateway_url, auth)
        }))
        .await?;
        let bus = Buses::new(plan.kafka.as_ref(), &prepared);

        let (mut services, mut running_services) = (Vec::new(), Vec::new());
        for (service, listener) in prepared.into_iter().zip(listeners) {
            let (name, stop) = (service.app.name, CancellationToken::new());
            services.push((name, address(name, &listener)?));
            let bus = bus.one_for(name)?;
            let run = service.run(listener, bus, plan.kafka.clone(), stop.clone());
            running_services.push((name, stop, tokio::spawn(run)));
        }

        let upstream = |name: &str| {
            let (_, address) =
                services.iter().find(|(service, _)| *service == name).ok_or("no such service")?;
            gateway::config::base_url(&format!("http://{}", reachable(*address)))
        };
        let upstreams = || {
            Ok::<_, String>(Upstreams {
                post: upstream("post")?,
                offer: upstream("offer")?,
                deal: upstream("deal")?,
                mypage: upstream("mypage")?,
                notification: upstream("notification")?,
            })
        };
        let mut config = gateway::Config::from_env(upstreams().map_err(StartError::Settings)?);
        config.auth = auth.clone();
        tune(&mut config);
        let stop_gateway = CancellationToken::new();
        let running_gateway = tokio::spawn(gateway::run(config, gateway_listener, stop_gateway.clone()));
        Ok(Self { gateway, services, auth, stop_gateway, running_gateway, running_services, postgres })
    }

    /// Stops one service, as if its process had been told to end.
    pub async fn stop_service(&mut self, name: &str) {
        for (service, stop, running) in &mut self.running_services {
            if *service == name {
                stop.cancel();
                let _ = running.await;
            }
        }
        self.running_services.retain(|(service, ..)| *service != name);
    }

    /// Stops everything: the gateway first, so that requests in flight find their services, PostgreSQL last.
    ///
    /// # Errors
    /// PostgreSQL did not stop cleanly; the next start recovers its data.
    pub async fn stop(self) -> Result<(), LaunchError> {
        let all = async {
            self.stop_gateway.cancel();
            let _ = self.running_gateway.await;
            for (_, stop, _) in &self.running_services {
                stop.cancel();
            }
            for (_, _, running) in self.running_services {
                let _ = running.await;
            }
        };
        if timeout(STOP, all).await.is_err() {
            tracing::warn!("not everything ended in time");
        }
        match self.postgres {
            Some(postgres) => postgres.stop().await,
            None => Ok(()),
        }
    }
}

/// The bus of each service: one for all in this process, or a Kafka producer each.
enum Buses<'a> {
    Kafka(&'a KafkaSettings),
    Local(LocalBus),
}

impl<'a> Buses<'a> {
    fn new(kafka: Option<&'a KafkaSettings>, services: &[Prepared]) -> Self {
        match kafka {
            Some(settings) => Self::Kafka(settings),
            None => {
                let bus = LocalBus::default();
                bus.connect(services.iter().map(|service| service.consumer.clone()).collect());
                Self::Local(bus)
            }
        }
    }

    fn one_for(&self, name: &'static str) -> Result<Bus, StartError> {
        match self {
            Self::Local(bus) => Ok(Bus::Local(bus.clone())),
            Self::Kafka(settings) => {
                Bus::kafka(settings).map_err(|error| StartError::Service(name, Box::new(error)))
            }
        }
    }
}

async fn prepare(
    service: Service,
    administrator: &PgConnectOptions,
    pool_size: u32,
    gateway_url: &str,
    auth: Verifier,
) -> Result<Prepared, StartError> {
    let name = service.name;
    let prepare = async {
        store::provision(administrator, name).await?;
        service.prepare(store::as_service(administrator.clone(), name), pool_size, gateway_url, auth).await
    };
    prepare.await.map_err(|error: Box<dyn Error>| StartError::Service(name, error))
}

/// Takes all ports at once, so that a taken one is told before anything starts. Who connects before its turn waits.
async fn listen(plan: &Plan) -> Result<(TcpListener, Vec<TcpListener>), StartError> {
    let too_low = StartError::PortTooLow(plan.port);
    let first = match plan.port {
        0 => None,
        port => Some(port.checked_sub(FIRST_SERVICE).filter(|first| *first > 1024).ok_or(too_low)?),
    };
    let gateway = server::bind(&plan.host, plan.port).await?;
    let mut services = Vec::new();
    for (index, _) in (0..).zip(&plan.services) {
        services.push(server::bind(&plan.host, first.map_or(0, |first| first + index)).await?);
    }
    Ok((gateway, services))
}

fn address(name: &'static str, listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|error| StartError::Service(name, Box::new(error)))
}

/// Who listens everywhere is reached here.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    address
}

#[cfg(test)]
mod tests {
    use super::SERVICES;
    use shared_events::{DealEvent, OfferEvent, PostEvent};

    #[test]
    fn every_event_is_told_and_heard_by_whom_the_contract_says() {
        let services = SERVICES.map(|service| service());
        let publishers = [
            (PostEvent::SOURCE, PostEvent::TYPES),
            (OfferEvent::SOURCE, OfferEvent::TYPES),
            (DealEvent::SOURCE, DealEvent::TYPES),
        ];
        let mut table = String::new();
        for (publisher, event) in
            publishers.iter().flat_map(|(source, types)| types.iter().map(move |event| (source, event)))
        {
            let heard = services.iter().filter(|service| service.reactions.types().contains(event));
            let heard: Vec<_> = heard.map(|service| service.name).collect();
            table += &format!("| {event} | {publisher} | {} |\n", heard.join(", "));
        }
        let (_, agreed) =
            include_str!("../../../shared-events/EVENTS.md").split_once("|---|---|---|\n").unwrap();
        assert!(agreed == table, "shared-events/EVENTS.md would have to say:\n{table}");
    }
}
