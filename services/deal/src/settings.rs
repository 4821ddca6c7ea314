//! What this service can be told, besides what every service can.

use chassis::wire::duration;
use clap::Args;
use std::time::Duration;

/// The deal service's own settings.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Payments")]
pub struct Settings {
    /// How long a bank transfer may take before it is canceled.
    #[arg(long, env = "DEPOSIT_WITHIN", default_value = "72h", value_parser = duration)]
    pub deposit_within: Duration,
    /// How long money is held for an offer that nobody hears of.
    #[arg(long, env = "HOLD_WITHIN", default_value = "24h", value_parser = duration)]
    pub hold_within: Duration,
}
