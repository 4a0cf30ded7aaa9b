//! `cloakroom cookie`: what is in a cookie.

use std::fs;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use cloakroom::factory::{SignedValue, StoredFactory};
use cloakroom::keyring::HashAlg;
use cloakroom::store::MemoryStore;
use cloakroom::{Secret, SignedCookieFactory};
use serde_json::json;
use zeroize::Zeroizing;

use crate::failure::{Failure, Outcome};
use crate::output;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Shows what a signed cookie holds, or which session a ticket names.
    Show {
        /// The cookie's value; without it, stdin is read.
        #[arg(allow_hyphen_values = true)] // one in 64 begins with a hyphen
        value: Option<String>,
        /// A file that holds the secret; otherwise it is taken from the environment variable CLOAKROOM_SECRET.
        #[arg(long, value_name = "PATH")]
        secret_file: Option<PathBuf>,
        /// What Pyramid's factory was given as salt.
        #[arg(long, default_value = "pyramid.session.")]
        salt: String,
        /// What signs it.
        #[arg(long, value_enum, default_value_t = Hash::Sha512)]
        hash: Hash,
        /// What Pyramid's factory was given as timeout, or `never`: it decides what is said about expiry.
        #[arg(long, value_name = "SECONDS", default_value = "1200")]
        timeout: Timeout,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Hash {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

pub(crate) fn run(command: &Command) -> Outcome {
    let Command::Show { value, secret_file, salt, hash, timeout, json } = command;
    let value = match value {
        Some(value) => value.clone(),
        None => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text)?;
            text
        }
    };
    let value = value.trim();
    if let Some(id) = StoredFactory::<MemoryStore>::id_in_cookie(value) {
        return ticket(&id, *json);
    }
    let factory = SignedCookieFactory::builder(secret(secret_file.as_ref())?)
        .salt(salt.as_str())
        .hash((*hash).into())
        .timeout(timeout.0)
        .build()
        .map_err(Failure::refused)?;
    let signed = factory.read_value(value).map_err(|reason| {
        let reason = reason.as_str();
        Failure::absent(format!(
            "the cookie is not valid: {reason}. Are secret, salt and hash right?"
        ))
    })?;
    show(&signed, *json)
}

/// Weak ones too: here nothing is signed by it.
fn secret(file: Option<&PathBuf>) -> Outcome<Secret> {
    let text = match file {
        Some(path) => fs::read_to_string(path)
            .map_err(|error| Failure::absent(format!("{}: {error}", path.display())))?,
        None => std::env::var("CLOAKROOM_SECRET").map_err(|_| {
            Failure::absent("no secret: give --secret-file, or set CLOAKROOM_SECRET")
        })?,
    };
    let text = Zeroizing::new(text);
    Ok(Secret::insecure(text.trim_end_matches(['\r', '\n'])))
}

/// Its other half opens the session, and is not shown.
fn ticket(id: &str, is_json: bool) -> Outcome {
    let mut out = io::stdout();
    match is_json {
        true => writeln!(out, "{}", json!({ "ticket_of": id }))?,
        false => writeln!(out, "a ticket; it names the session {id}")?,
    }
    Ok(())
}

fn show(signed: &SignedValue, is_json: bool) -> Outcome {
    let mut out = io::stdout();
    if is_json {
        let facts = json!({
            "created": output::seconds(signed.created),
            "renewed": output::seconds(signed.renewed),
            "expires_at": output::seconds(signed.expires_at),
            "expired": signed.is_expired,
        });
        return Ok(writeln!(out, "{}", output::with(&facts, &signed.entries)?)?);
    }
    let end = if signed.is_expired { "expired" } else { "expires" };
    writeln!(out, "created {}", output::date(signed.created))?;
    writeln!(out, "renewed {}", output::date(signed.renewed))?;
    writeln!(out, "{end} {}", output::date(signed.expires_at))?;
    let values = serde_json::to_string_pretty(&output::values(&signed.entries));
    Ok(writeln!(out, "{}", output::plain(&values.map_err(io::Error::from)?))?)
}

/// How long a session lives without being used.
#[derive(Clone, Copy)]
pub(crate) struct Timeout(Option<Duration>);

impl FromStr for Timeout {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "never" {
            return Ok(Self(None));
        }
        let seconds = text.parse().map_err(|_| "a number of seconds, or `never`")?;
        Ok(Self(Some(Duration::from_secs(seconds))))
    }
}

impl From<Hash> for HashAlg {
    fn from(hash: Hash) -> Self {
        match hash {
            Hash::Md5 => Self::Md5,
            Hash::Sha1 => Self::Sha1,
            Hash::Sha256 => Self::Sha256,
            Hash::Sha384 => Self::Sha384,
            Hash::Sha512 => Self::Sha512,
        }
    }
}
