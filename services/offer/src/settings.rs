//! What this service can be told, besides what every service can.

use chassis::wire::duration;
use clap::Parser;
use std::{sync::LazyLock, time::Duration};

/// The offer service's own settings; environment variables only, since the process may be `standalone`.
#[derive(Debug, Clone, Parser)]
pub struct Settings {
    /// How long an offer stays open, such as `168h`.
    #[arg(long, env = "OFFER_EXPIRES_AFTER", default_value = "168h", value_parser = duration)]
    pub offer_expires_after: Duration,
}

impl Settings {
    /// As the environment says.
    pub fn get() -> &'static Self {
        static SETTINGS: LazyLock<Settings> = LazyLock::new(|| Settings::parse_from(["offer"]));
        &SETTINGS
    }
}
