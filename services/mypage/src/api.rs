//! What a person sees of what they sell and buy. Nothing here can be written, only made anew.

pub mod profiles;
pub mod purchases;
pub mod rebuild;
pub mod sales;
