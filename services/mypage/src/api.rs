//! What a person sees of what they sell and buy. Nothing here can be written.

pub mod profiles;
pub mod purchases;
pub mod sales;
