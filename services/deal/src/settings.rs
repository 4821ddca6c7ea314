//! What this service can be told, besides what every service can.

use chassis::wire::duration;
use clap::Parser;
use std::{sync::LazyLock, time::Duration};

/// The deal service's own settings; environment variables only, since the process may be `standalone`.
#[derive(Debug, Clone, Parser)]
pub struct Settings {
    /// How long a bank transfer may take before it is canceled, such as `72h`.
    #[arg(long, env = "DEPOSIT_WITHIN", default_value = "72h", value_parser = duration)]
    pub deposit_within: Duration,
}

impl Settings {
    /// As the environment says.
    pub fn get() -> &'static Self {
        static SETTINGS: LazyLock<Settings> = LazyLock::new(|| Settings::parse_from(["deal"]));
        &SETTINGS
    }
}
