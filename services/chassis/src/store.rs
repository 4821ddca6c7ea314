//! PostgreSQL: a role and a schema for each service, its migrations, and what its errors mean to a client.

use crate::problem::Problem;
use sqlx::{
    AssertSqlSafe, Connection, PgConnection, PgPool,
    error::DatabaseError,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::time::Duration;

/// A command waits this long for a connection before it is answered 503.
const ACQUIRE: Duration = Duration::from_secs(2);

/// Creates the role and the schema `service`, unless they are there, and lets `administrator` act as that role.
/// Several replicas may do so at once.
///
/// # Errors
/// Those of the database; the administrator must be allowed to create roles and schemas.
pub async fn provision(administrator: &PgConnectOptions, service: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect_with(administrator).await?;
    // One at a time, released with the connection. Roles are shared by all databases of a server, and advisory
    // locks are not: hence the exception handler.
    sqlx::query("select pg_advisory_lock(hashtextextended('provision', 0))").execute(&mut connection).await?;
    let sql = format!(
        "do $$ begin
           if not exists (select from pg_roles where rolname = '{service}') then
             create role {service} login;
           end if;
         exception when duplicate_object or unique_violation then null;
         end $$;
         do $$ begin
           if not pg_has_role(current_user, '{service}', 'member') then
             grant {service} to current_user;
           end if;
         end $$;
         create schema if not exists {service} authorization {service};"
    );
    // `service` is a constant of the program.
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
    // Trusted, but only a database's owner may create it. Where the server does not have it, searches scan.
    sqlx::raw_sql(
        "do $$ begin
           if exists (select from pg_available_extensions where name = 'pg_trgm') then
             create extension if not exists pg_trgm with schema public;
           end if;
         end $$",
    )
    .execute(&mut connection)
    .await?;
    connection.close().await
}

/// A connection that is the role `service`, and can reach nothing that is not its own.
pub fn as_service(administrator: PgConnectOptions, service: &str) -> PgConnectOptions {
    administrator.options([("role", service)])
}

/// Opens the pool and brings the schema up to date. The migrator's own lock lets one replica at a time do so.
pub(crate) async fn open(
    options: PgConnectOptions,
    service: &str,
    pool_size: u32,
    migrations: &'static Migrator,
) -> Result<PgPool, sqlx::Error> {
    let pool = PgPoolOptions::new()
        .max_connections(pool_size)
        .acquire_timeout(ACQUIRE)
        .connect_with(options.application_name(service).statement_cache_capacity(256))
        .await?;
    let mut plumbing = sqlx::migrate!("./migrations");
    plumbing.dangerous_set_table_name("_chassis_migrations");
    let mut own = Migrator::with_migrations(migrations.iter().cloned().collect());
    for migrator in [&mut plumbing, &mut own] {
        // What the release after has added does not keep this one from starting: a rollback has to, and so has an old
        // replica that comes back in the midst of an update. Migrations only expand.
        migrator.set_ignore_missing(true).run(&pool).await?;
    }
    Ok(pool)
}

/// The error will pass by itself: the server is away, busy, or asks for the transaction to be run again.
pub fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // 08 connection, 28 authorization (while a password is changed), 40 rollback (deadlock, serialization),
        // 53 resources, 57P operator, 58 system.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            ["08", "28", "40", "53", "57P", "58"].iter().any(|class| code.starts_with(class))
        }),
        _ => false,
    }
}

/// The refusal that a violated constraint stands for, at the place that knows it.
pub trait OnConstraint<T> {
    /// Turns the violation of `constraint` into `refusal`; every other error stays one.
    ///
    /// # Errors
    /// The refusal, or the database's other errors.
    fn on_constraint(self, constraint: &str, refusal: impl Into<Problem>) -> Result<T, Problem>;
}

impl<T> OnConstraint<T> for Result<T, sqlx::Error> {
    fn on_constraint(self, constraint: &str, refusal: impl Into<Problem>) -> Result<T, Problem> {
        self.map_err(|error| match &error {
            sqlx::Error::Database(violation) if violation.constraint() == Some(constraint) => refusal.into(),
            _ => error.into(),
        })
    }
}

/// The connection was lost while a commit was under way: only the server knows what came of it.
pub(crate) fn outcome_unknown(error: sqlx::Error) -> Problem {
    let rolled_back = |error: &dyn DatabaseError| error.code().is_some_and(|code| code.starts_with("40"));
    match &error {
        sqlx::Error::Database(said) if rolled_back(said.as_ref()) => error.into(),
        _ if !is_passing(&error) => error.into(),
        _ => {
            tracing::warn!(%error, "database went away over a commit");
            let detail = "The database went away while this was being stored, so it may have been done. Look first, or ask \
                          again with the same Idempotency-Key, which does it once.";
            Problem::unavailable("outcome-unknown", detail, 1)
        }
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        if is_passing(&error) {
            tracing::warn!(%error, "database is away");
            return Self::unavailable(
                "database-unavailable",
                "The database is away; nothing was changed.",
                1,
            );
        }
        Self::internal(&error)
    }
}
