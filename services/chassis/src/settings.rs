//! What a service can be told besides what every service can.

use crate::service::Service;
use axum::http::Extensions;
use clap::{ArgMatches, Args, Command, error::Error};
use std::ffi::OsString;

/// A service's own options, and what they were set to. `--help` of the service and of `standalone` shows them.
#[derive(Clone)]
pub struct OwnSettings {
    augment: fn(Command) -> Command,
    read: fn(&ArgMatches) -> Result<Extensions, Error>,
    told: Option<Extensions>,
}

impl OwnSettings {
    /// The options of `T`, which [`App::settings`](crate::app::App::settings) hands to the handlers.
    pub fn of<T: Args + Clone + Send + Sync + 'static>() -> Self {
        Self {
            augment: T::augment_args,
            read: |matches| {
                let mut settings = Extensions::new();
                settings.insert(T::from_arg_matches(matches)?);
                Ok(settings)
            },
            told: None,
        }
    }

    /// No options.
    pub fn none() -> Self {
        Self { augment: |command| command, read: |_| Ok(Extensions::new()), told: None }
    }
}

impl Service {
    /// Adds the service's own options to a command line.
    pub fn augment(&self, command: Command) -> Command {
        // One by one: name, description and group of the struct they come from are not the command's.
        let own = (self.settings.augment)(Command::new(self.name));
        own.get_arguments().cloned().fold(command, Command::arg)
    }

    /// Takes its own options from a command line that has been [augmented](Self::augment) by them.
    ///
    /// # Errors
    /// As clap says them.
    pub fn told(mut self, matches: &ArgMatches) -> Result<Self, Error> {
        self.settings.told = Some((self.settings.read)(matches)?);
        Ok(self)
    }

    /// Takes its own options from words such as `--deposit-within=1h`, and the environment.
    ///
    /// # Errors
    /// As clap says them.
    pub fn with<W: Into<OsString> + Clone>(self, words: impl IntoIterator<Item = W>) -> Result<Self, Error> {
        let command = self.augment(Command::new(self.name).no_binary_name(true));
        let matches = command.try_get_matches_from(words)?;
        self.told(&matches)
    }

    /// What it was told; else what the environment says.
    pub(crate) fn own_settings(&self) -> Result<Extensions, Error> {
        match &self.settings.told {
            Some(told) => Ok(told.clone()),
            None => Ok(self.clone().with([""; 0])?.settings.told.unwrap_or_default()),
        }
    }
}
