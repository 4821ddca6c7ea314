use crate::{Database, service};
use chassis::{store, testing::TestService};
use futures::future::join_all;
use sqlx::{Connection, PgConnection};

#[tokio::test]
async fn a_service_reaches_nothing_of_its_neighbours() {
    let database = Database::new().await;
    let (teller, recorder) = (database.prepare("teller").await, database.prepare("recorder").await);
    for table in ["heard", "outbox", "inbox", "idempotency", "dead_letter", "_sqlx_migrations"] {
        let own = format!("select count(*) from {table}");
        sqlx::query(sqlx::AssertSqlSafe(own)).execute(&teller.app.db).await.expect("its own");
        for forbidden in [
            format!("select count(*) from recorder.{table}"),
            format!("delete from recorder.{table}"),
            format!("drop table recorder.{table}"),
            format!("create table recorder.{table}2 ()"),
        ] {
            let error = sqlx::query(sqlx::AssertSqlSafe(forbidden.clone())).execute(&teller.app.db).await;
            let message =
                error.expect_err(&forbidden).into_database_error().expect("PostgreSQL's").to_string();
            assert!(message.contains("permission denied for schema recorder"), "{forbidden}: {message}");
        }
    }
    let role: String =
        sqlx::query_scalar("select current_user::text").fetch_one(&recorder.app.db).await.unwrap();
    assert_eq!(role, "recorder");
}

#[tokio::test]
async fn replicas_that_start_at_once_on_an_empty_database_do_not_collide() {
    let database = Database::new().await;
    let names = ["teller", "recorder"].repeat(5);
    let prepared = join_all(names.into_iter().map(|name| database.prepare(name))).await;
    for prepared in &prepared {
        let migrations: i64 = sqlx::query_scalar("select count(*) from _sqlx_migrations where success")
            .fetch_one(&prepared.app.db)
            .await
            .unwrap();
        assert_eq!(migrations, 1);
    }
    // And once more on a database that has seen it all.
    join_all(["teller"; 5].map(|name| database.prepare(name))).await;
}

#[tokio::test]
async fn the_release_before_starts_on_a_schema_that_is_newer() {
    let database = Database::new().await;
    let newer = database.prepare("teller").await;
    for table in ["_sqlx_migrations", "_chassis_migrations"] {
        let applied = format!(
            "insert into {table} (version, description, success, checksum, execution_time)
             values (9999, 'of the release after', true, '', 0)"
        );
        sqlx::query(sqlx::AssertSqlSafe(applied)).execute(&newer.app.db).await.expect("a row");
    }
    database.prepare("teller").await;
}

#[tokio::test]
async fn that_a_role_is_not_let_in_passes_by_itself() {
    let database = Database::new().await;
    let stranger = database.0.clone().username("stranger");
    let refused = PgConnection::connect_with(&stranger).await.expect_err("there is no such role");
    assert!(store::is_passing(&refused), "{refused}");
}

#[tokio::test]
async fn a_service_needs_no_administrator_once_its_role_and_schema_are_there() {
    let first = TestService::start(service("teller")).await;
    let options = store::as_service(first.database.clone(), "teller");
    let again = service("teller")
        .prepare(options, 2, "http://127.0.0.1:9", chassis::auth::Verifier::open())
        .await
        .unwrap();
    sqlx::query("select from heard").execute(&again.app.db).await.unwrap();
    let ready = first.client.get("/readyz").await.expect(200);
    assert_eq!(ready["status"], "UP");
}
