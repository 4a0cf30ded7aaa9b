//! The demo as a process of its own, with a database and a secret that outlive it.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

pub struct Site {
    process: Child,
    address: String,
    factory: &'static str,
    folder: TempDir,
}

impl Site {
    /// Starts the demo on a free port.
    pub async fn start() -> Self {
        Self::start_with("sqlite").await
    }

    /// The same, with another factory than the default.
    pub async fn start_with(factory: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (process, address) = launch("127.0.0.1:0", factory, &folder).await;
        Self { process, address, factory, folder }
    }

    /// Starts it again where it was, with the database and the secret it had.
    pub async fn start_again(&mut self) {
        let (process, address) = launch(&self.address, self.factory, &self.folder).await;
        assert_eq!(address, self.address);
        self.process = process;
    }

    /// Asks it to end, and waits until it has.
    pub async fn stop(&mut self) -> ExitStatus {
        let id = self.process.id().unwrap().to_string();
        assert!(Command::new("kill").arg(id).status().await.unwrap().success());
        self.process.wait().await.unwrap()
    }

    /// Where the sessions are.
    pub fn database(&self) -> PathBuf {
        self.folder.path().join("sessions.sqlite")
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// The process and the address that it says it has.
async fn launch(listen: &str, factory: &str, folder: &TempDir) -> (Child, String) {
    let mut process = Command::new(env!("CARGO_BIN_EXE_cloakroom-demo"))
        .args(["--listen", listen, "--factory", factory])
        .arg("--database")
        .arg(folder.path().join("sessions.sqlite"))
        .arg("--secret-file")
        .arg(folder.path().join("secret"))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let first = lines.next_line().await.unwrap().expect("the demo ended at once");
    let address = first.split_once("http://").expect("no address in the first line").1.to_owned();
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (process, address)
}
