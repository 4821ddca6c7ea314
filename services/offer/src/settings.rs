//! What this service can be told, besides what every service can.

use chassis::wire::duration;
use clap::Args;
use std::time::Duration;

/// The offer service's own settings.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Offers")]
pub struct Settings {
    /// How long an offer stays open.
    #[arg(long, env = "OFFER_EXPIRES_AFTER", default_value = "168h", value_parser = duration)]
    pub offer_expires_after: Duration,
}
