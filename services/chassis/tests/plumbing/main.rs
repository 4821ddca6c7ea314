//! The plumbing over real PostgreSQL, with services that do nothing else: each tells numbers and records those it hears.

mod inbox;
mod metrics;
mod relay;
mod roles;

use chassis::{
    app::{App, Tx},
    bus::{Bus, LocalBus},
    inbox::{Reacted, ReactionError, Received},
    server,
    service::{Prepared, Service},
    shared_events::{QtyDecreased, QtyRestored},
    store, testing,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection, postgres::PgConnectOptions};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./tests/plumbing/migrations");

fn service(name: &'static str) -> Service {
    Service {
        name,
        port: 0,
        migrations: &MIGRATIONS,
        routes: OpenApiRouter::new,
        reactions: chassis::reactions! { QtyDecreased => record },
        sweep: None,
        settings: chassis::settings::OwnSettings::none(),
    }
}

async fn record(tx: &mut Tx, received: Received<QtyDecreased>) -> Reacted {
    let QtyDecreased { post_id, deal_id: number, qty, .. } = received.event;
    let refused: bool = sqlx::query_scalar("select exists (select from refused where number = $1)")
        .bind(number)
        .fetch_one(&mut **tx)
        .await?;
    sqlx::query("insert into heard (post_id, number) values ($1, $2)")
        .bind(post_id)
        .bind(number)
        .execute(&mut **tx)
        .await?;
    tx.publish(&QtyRestored { post_id, deal_id: number, qty, available_qty: 0 });
    // After the effect, which must go with it.
    if refused { Err(ReactionError::Nonsense(format!("{number} makes no sense"))) } else { Ok(()) }
}

fn number(post_id: i64, number: i64) -> QtyDecreased {
    QtyDecreased { post_id, deal_id: number, qty: 1, available_qty: 0 }
}

async fn tell(app: &App, post_id: i64, of: i64) {
    let mut tx = app.transaction(None).await.expect("the database answers");
    tx.publish(&number(post_id, of));
    tx.commit().await.expect("the database answers");
}

/// The numbers heard about a post.
async fn heard(app: &App, post_id: i64) -> Vec<i64> {
    let heard = sqlx::query_scalar("select number from heard where post_id = $1 order by position");
    heard.bind(post_id).fetch_all(&app.db).await.expect("the database answers")
}

async fn waiting_in_outbox(app: &App) -> i64 {
    sqlx::query_scalar("select count(*) from outbox").fetch_one(&app.db).await.expect("the database answers")
}

/// A database for several services, as its administrator.
struct Database(PgConnectOptions);

impl Database {
    async fn new() -> Self {
        Self(testing::database().await)
    }

    async fn prepare(&self, name: &'static str) -> Prepared {
        store::provision(&self.0, name).await.expect("role and schema");
        let options = store::as_service(self.0.clone(), name);
        service(name)
            .prepare(options, 4, "http://127.0.0.1:9", chassis::auth::Verifier::open())
            .await
            .expect("migrations run")
    }

    async fn connect(&self) -> PgConnection {
        PgConnection::connect_with(&self.0).await.expect("PostgreSQL answers")
    }

    async fn ask(&self, question: &str) -> i64 {
        let question = sqlx::query_scalar(AssertSqlSafe(question.to_owned()));
        question.fetch_one(&mut self.connect().await).await.expect("a number")
    }

    /// The relays that lead: they hold their locks for as long.
    async fn leaders(&self) -> i64 {
        self.ask(&format!("select count(*) {LEADERS}")).await
    }

    /// Ends the connections of the leading relays, as a crash would.
    async fn kill_leaders(&self) {
        self.ask(&format!("select count(pg_terminate_backend(pid)) {LEADERS}")).await;
    }
}

const LEADERS: &str = "from pg_locks join pg_stat_activity using (pid)
                       where datname = current_database() and locktype = 'advisory' and granted";

/// A service with its relay at work.
struct Running {
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

impl Running {
    async fn start(prepared: Prepared, bus: &LocalBus) -> Self {
        let stop = CancellationToken::new();
        let listener = server::bind("127.0.0.1", 0).await.expect("a free port");
        let ended = tokio::spawn(prepared.run(listener, Bus::Local(bus.clone()), None, stop.clone()));
        Self { stop, ended }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.ended.await.expect("it ends by itself");
    }
}
