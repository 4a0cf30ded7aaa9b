//! The testbed: a small HTTP service with every session operation on a route, driven from outside by tests.
//!
//! A request goes through `axum.rs` or `actix.rs` (routes, extractor) into `operation.rs` (what each route does to the
//! session).

mod actix;
mod answer;
mod axum;
mod factory;
mod faults;
mod flash_page;
mod guarded;
mod operation;
mod options;
mod owners;
mod randomness;
mod server;
mod setup;
mod stats;

use std::io;
use std::net::TcpListener;
use std::process::ExitCode;

use options::Options;
use server::Site;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse(std::env::args().skip(1));
    let prepared = match options {
        Ok(options) => factory::site(&options).await.map(|site| (options, site)),
        Err(problem) => Err(problem),
    };
    match prepared {
        Err(problem) => {
            eprintln!("cloakroom-testbed: {problem}");
            ExitCode::from(2)
        }
        Ok((options, site)) => match serve(&options, site).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("cloakroom-testbed: {}: {error}", options.listen);
                ExitCode::FAILURE
            }
        },
    }
}

/// Serves until it is told to stop, then finishes the requests in flight.
async fn serve(options: &Options, site: Site) -> io::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let closed = if options.until_stdin_closes { stdin_closed() } else { never() };
    let listener = TcpListener::bind(&options.listen)?;
    println!("listening on http://{}", listener.local_addr()?);
    let stop = async move {
        tokio::select! {
            _ = terminated.recv() => {}
            Ok(()) = closed => {}
        }
    };
    site.serve(listener, stop).await
}

/// Says when stdin ends. On a thread of its own, because a blocked read cannot be called off and would hold up
/// the end of the runtime.
fn stdin_closed() -> oneshot::Receiver<()> {
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || {
        // An error means that there is nothing more to read, too.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = tell.send(());
    });
    told
}

/// A channel whose other end is gone: `select!` then leaves its branch out.
fn never() -> oneshot::Receiver<()> {
    oneshot::channel().1
}
