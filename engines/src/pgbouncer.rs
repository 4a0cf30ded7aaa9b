//! PgBouncer: a pooler before a PostgreSQL, with its default settings but for where it is and how it pools.

use std::net::TcpStream;

use crate::{Missing, Postgres, Server, missing, program, says};

/// A running PgBouncer. Dropping it ends it.
#[derive(Debug)]
pub struct PgBouncer {
    server: Server,
}

impl PgBouncer {
    /// The Debian package that has it.
    pub const PACKAGE: &str = "pgbouncer";

    /// Starts one that pools by `session` or `transaction`, in four connections, with these further lines of settings.
    ///
    /// # Errors
    /// If it is not installed, or does not answer.
    pub fn before(postgres: &Postgres, pool_mode: &str, more: &str) -> Result<Self, Missing> {
        let pgbouncer = program("pgbouncer").ok_or_else(|| missing(Self::PACKAGE))?;
        let pgbouncer = pgbouncer.display().to_string();
        let to = postgres.server.port;
        let server = Server::start(Self::PACKAGE, "INT", |port, folder| {
            // It refuses to run as root, as PostgreSQL does, whose user Debian gives it.
            let script = r#"
                as=""
                if [ "$(id -u)" = 0 ]; then
                    chown postgres "$1"
                    as="setpriv --reuid=postgres --regid=postgres --clear-groups"
                fi
                printf '%s\n' "$2" >"$1/pgbouncer.ini"
                exec $as "$3" "$1/pgbouncer.ini"
            "#;
            let settings = format!(
                "[databases]\n* = host=127.0.0.1 port={to} user=postgres\n\
                 [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
                 auth_type = any\npool_mode = {pool_mode}\ndefault_pool_size = 4\n{more}"
            );
            let folder = folder.display().to_string();
            let words = ["-c", script, "sh", &folder, &settings, &pgbouncer];
            ("sh".into(), words.map(str::to_owned).into())
        })?;
        server.wait_until(Self::answers)?;
        Ok(Self { server })
    }

    /// To a question for encryption: no.
    fn answers(stream: TcpStream) -> bool {
        says(stream, &[0, 0, 0, 8, 4, 210, 22, 47], b"N")
    }

    /// Where it is, such as `postgres://postgres@127.0.0.1:4711/postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.server.port)
    }

    /// Whether it is installed.
    #[must_use]
    pub fn is_installed() -> bool {
        program("pgbouncer").is_some()
    }
}
