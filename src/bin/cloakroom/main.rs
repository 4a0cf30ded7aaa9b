//! `cloakroom`: looking after sessions from the command line.
//!
//! What was asked for goes to stdout, everything else to stderr. guide/src/command_line.md has examples.

#![forbid(unsafe_code)]

mod cookie;
mod failure;
mod output;
mod sessions;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use cloakroom::Secret;
use cloakroom::store::{AnyOptions, AnyStore};

use failure::{Failure, Outcome};

/// Looks after sessions: those in a store, and those in signed cookies.
///
/// Exit status: 0 done; 1 what was asked for is not there, or a cookie is not valid; 2 wrong usage; 3 the store cannot
/// be reached, or refuses.
#[derive(Parser)]
#[command(name = "cloakroom", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The sessions in a store.
    #[command(subcommand)]
    Sessions(sessions::Command),
    /// A session's cookie.
    #[command(subcommand)]
    Cookie(cookie::Command),
    /// Secrets for signed cookies.
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Prints the SQL that makes a store's table, without connecting to it.
    Schema(Place),
}

#[derive(Subcommand)]
enum SecretCommand {
    /// Makes a new one.
    New,
}

/// Where sessions are. The application's name is not asked for: no ticket is read here, and ids and owners are the same
/// whatever it is.
#[derive(Args)]
struct Place {
    /// The store's URL: sqlite:PATH, redis://…, postgres://…, mysql://…
    #[arg(long, value_name = "URL", env = "CLOAKROOM_STORE", hide_env_values = true)]
    store: String,
    /// What all keys in Redis begin with.
    #[arg(long)]
    prefix: Option<String>,
    /// The table in a database.
    #[arg(long)]
    table: Option<String>,
}

impl Place {
    fn options(&self) -> AnyOptions {
        let mut options = AnyStore::options(&self.store);
        if let Some(prefix) = &self.prefix {
            options = options.prefix(prefix);
        }
        if let Some(table) = &self.table {
            options = options.table(table);
        }
        options
    }
}

fn main() -> ExitCode {
    match Cli::try_parse().map(|cli| run(cli.command)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => failure.tell(),
        Err(error) => failure::unparsed(&error),
    }
}

fn run(command: Command) -> Outcome {
    match command {
        Command::Sessions(command) => sessions::run(command),
        Command::Cookie(command) => cookie::run(&command),
        Command::Secret(SecretCommand::New) => {
            let secret = Secret::generate().map_err(Failure::refused)?;
            Ok(writeln!(io::stdout(), "{}", secret.reveal())?)
        }
        Command::Schema(place) => match place.options().schema().map_err(Failure::refused)? {
            Some(schema) => Ok(write!(io::stdout(), "{schema}")?),
            None => Err(Failure::absent("this store needs no schema")),
        },
    }
}
