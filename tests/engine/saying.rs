//! A server that says to some commands what the engine would say in a situation that cannot be provoked, and passes the
//! others on to one that answers them.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// It ends with the test's process.
pub struct Saying {
    port: u16,
}

impl Saying {
    /// Before the Redis at this port. `says` gives the line for a command, or nothing for one that is passed on.
    pub fn before(
        redis: u16,
        says: impl Fn(&[String]) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let says = Arc::new(says);
        thread::spawn(move || {
            for client in listener.incoming() {
                let says = says.clone();
                // However it ends, it has ended.
                thread::spawn(move || client.and_then(|client| serve(client, redis, &*says)));
            }
        });
        Self { port }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

fn serve(
    client: TcpStream,
    redis: u16,
    says: &dyn Fn(&[String]) -> Option<String>,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let redis = TcpStream::connect(("127.0.0.1", redis))?;
    redis.set_nodelay(true)?;
    let mut to_client = client.try_clone()?;
    let mut to_redis = redis.try_clone()?;
    let (mut client, mut redis) = (BufReader::new(client), BufReader::new(redis));
    loop {
        let (mut sent, mut words) = (Vec::new(), Vec::new());
        read(&mut client, &mut sent, &mut words)?;
        match says(&words) {
            Some(line) => to_client.write_all(format!("{line}\r\n").as_bytes())?,
            None => {
                to_redis.write_all(&sent)?;
                let mut answer = Vec::new();
                read(&mut redis, &mut answer, &mut Vec::new())?;
                to_client.write_all(&answer)?;
            }
        }
    }
}

/// One command or answer as it came, and the texts in it.
fn read(from: &mut impl BufRead, bytes: &mut Vec<u8>, texts: &mut Vec<String>) -> io::Result<()> {
    let mut line = Vec::new();
    if from.read_until(b'\n', &mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    bytes.extend_from_slice(&line);
    let length = std::str::from_utf8(&line[1..]).ok().and_then(|text| text.trim().parse().ok());
    match (line[0], length) {
        (b'$', Some(length @ 0_u64..)) => {
            let mut text = Vec::new();
            from.take(length + 2).read_to_end(&mut text)?;
            bytes.extend_from_slice(&text);
            text.truncate(text.len() - 2);
            // What is no text is not what a test looks for.
            texts.push(String::from_utf8(text).unwrap_or_default());
        }
        (b'*', Some(length @ 0_u64..)) => {
            for _ in 0..length {
                read(from, bytes, texts)?;
            }
        }
        _ => {}
    }
    Ok(())
}
