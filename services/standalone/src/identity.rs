//! The secret for development: made when `AUTH=jwt` is asked for without a key, and kept with the data, so that
//! `standalone token` can sign with it.

use crate::{Database, Plan};
use chassis::auth::{AuthError, AuthMode, AuthSettings, Secret};
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Nobody made one.
    #[error("there is no {0} yet: start with --auth jwt first, or set AUTH_HS256_SECRET")]
    None(PathBuf),
    /// The file cannot be read or written.
    #[error("{0}: {1}")]
    File(PathBuf, io::Error),
    /// There is no data directory to keep one in.
    #[error(transparent)]
    Settings(#[from] AuthError),
}

/// Where it is kept.
pub fn secret_file(data_dir: &Path) -> PathBuf {
    data_dir.join("token-secret")
}

/// The plan's settings, with the secret for development where there is no other key. The data directory is there.
///
/// # Errors
/// The secret cannot be kept.
pub fn with_key(plan: &Plan) -> Result<AuthSettings, SecretError> {
    match &plan.database {
        Database::Own(data_dir) if plan.auth.auth == AuthMode::Jwt && plan.auth.lacks_key() => {
            make(&secret_file(data_dir))?;
            with_kept_secret(plan.auth.clone(), data_dir)
        }
        _ => Ok(plan.auth.clone()),
    }
}

/// Settings that can mint: with their own secret, else with the one that is kept.
///
/// # Errors
/// There is none.
pub fn with_kept_secret(auth: AuthSettings, data_dir: &Path) -> Result<AuthSettings, SecretError> {
    if !auth.lacks_key() {
        return Ok(auth);
    }
    let file = secret_file(data_dir);
    let secret = fs::read_to_string(&file).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => SecretError::None(file.clone()),
        _ => SecretError::File(file.clone(), error),
    })?;
    Ok(AuthSettings { auth_hs256_secret: Some(Secret::from(secret.trim())), ..auth })
}

/// Makes a random one, unless it is there.
fn make(file: &Path) -> Result<(), SecretError> {
    let failed = |error| SecretError::File(file.to_owned(), error);
    let mut options = OpenOptions::new();
    let mut opened = match options.write(true).create_new(true).mode(0o600).open(file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        opened => opened.map_err(failed)?,
    };
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| failed(io::Error::other(error)))?;
    let secret: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    writeln!(opened, "{secret}").map_err(failed)
}
