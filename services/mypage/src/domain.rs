//! What the views make of what they know: where an order stands, and how warm a person's manners are.

pub mod order;
pub mod profile;
