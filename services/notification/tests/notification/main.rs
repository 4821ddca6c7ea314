//! The notification service over real PostgreSQL, through the router.

mod alerts;
mod marking;
mod reminding;
mod replicas;
mod streams;
mod support;
mod telling;
mod wishers;
