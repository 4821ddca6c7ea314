//! What people hear, that they have read it, and what they want to hear of.

pub mod alerts;
pub mod notifications;
pub mod stream;
