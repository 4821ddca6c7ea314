//! The plumbing over real PostgreSQL.
