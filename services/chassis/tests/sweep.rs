//! What is due is looked for every second, whatever failed before, until the service stops.

use chassis::{
    app::App,
    bus::{Bus, LocalBus},
    problem::Problem,
    server,
    service::Service,
    settings::OwnSettings,
    store,
    testing::{database, eventually},
};
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./tests/plumbing/migrations");

/// Writes a row each time, and fails the first two times.
async fn sweep(app: &App) -> Result<(), Problem> {
    sqlx::query("insert into heard (post_id, number) values (1, 1)").execute(&app.db).await?;
    if count(app).await < 3 { Err(Problem::internal(&"not yet")) } else { Ok(()) }
}

async fn count(app: &App) -> i64 {
    sqlx::query_scalar("select count(*) from heard").fetch_one(&app.db).await.expect("the database answers")
}

#[tokio::test]
async fn sweeps_go_on_after_failures_and_end_with_the_service() {
    let service = Service {
        name: "sweeper",
        port: 0,
        migrations: &MIGRATIONS,
        routes: OpenApiRouter::new,
        reactions: chassis::inbox::Reactions::new(&[], |_, _| Box::pin(async { Ok(()) })),
        sweep: Some(|app| Box::pin(sweep(app))),
        settings: OwnSettings::none(),
    };
    let database = database().await;
    store::provision(&database, service.name).await.expect("role and schema");
    let prepared = service
        .clone()
        .prepare(
            store::as_service(database, service.name),
            4,
            "http://127.0.0.1:9",
            chassis::auth::Verifier::open(),
        )
        .await
        .expect("migrations run");
    let (app, stop) = (prepared.app.clone(), CancellationToken::new());
    let listener = server::bind("127.0.0.1", 0).await.expect("a free port");
    let running = tokio::spawn(prepared.run(listener, Bus::Local(LocalBus::default()), None, stop.clone()));
    eventually("a sweep after the failed ones", async || count(&app).await >= 4).await;
    stop.cancel();
    running.await.expect("it ends by itself");
    let swept = count(&app).await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert_eq!(count(&app).await, swept);
}
