//! One connection to a memcached: what is said on it, in the classic text protocol, and how the answers are read.
//!
//! A write is followed at once by a look at what is there then, so that both take one round trip. Each call reads its
//! answer to the end; whoever gives one up in its middle must not use the connection again.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::error::Failure;

/// The longest line that is read, in bytes: a key of 250 and four numbers are less.
const LINE: u64 = 1024;
/// The largest value that is sent, in bytes: what no memcached takes. It would not pass over one of more than 31 bits,
/// but take the bytes of the value for commands.
const LARGEST: usize = 1 << 30;

pub(super) struct Connection {
    stream: BufReader<TcpStream>,
}

/// What memcached has under a key.
pub(super) struct Item {
    /// The `cas` of the item that this one took the place of, as far as 32 bits go; none if it was created.
    pub(super) before: u32,
    /// memcached's number of the write that left it. No other write has it while the server runs.
    pub(super) cas: u64,
    pub(super) value: Vec<u8>,
}

/// What is to be written.
pub(super) struct Write<'a> {
    pub(super) key: &'a str,
    /// The `cas` of the item to be replaced; none if there must not be any.
    pub(super) over: Option<u64>,
    /// Seconds from now up to 30 days; more is seconds since 1970-01-01 UTC; 0 is for ever.
    pub(super) expiry: i64,
    pub(super) value: &'a [u8],
}

/// What became of a write.
pub(super) enum Said {
    Stored,
    /// There is another item.
    Exists,
    /// There is none.
    Missing,
    Refused(Failure),
}

/// How a write ended, and what was there afterwards: the same moment or a later one.
pub(super) struct Written {
    pub(super) said: Said,
    pub(super) there: Option<Item>,
}

impl Connection {
    pub(super) async fn open(host: &str, port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Whether the other end has neither closed it nor said anything unasked.
    pub(super) fn is_open(&self) -> bool {
        let heard = self.stream.get_ref().try_read(&mut [0]);
        self.is_quiet() && heard.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Whether everything that was heard has been read.
    pub(super) fn is_quiet(&self) -> bool {
        self.stream.buffer().is_empty()
    }

    /// Finds out whether it is a memcached that answers.
    pub(super) async fn greet(&mut self) -> Result<(), Failure> {
        self.send(b"version\r\n").await?;
        match self.line().await?.starts_with("VERSION ") {
            true => Ok(()),
            false => Err(Failure::Stranger),
        }
    }

    /// What time it is there, in seconds since 1970-01-01 UTC, if it says so.
    pub(super) async fn time(&mut self) -> Result<Option<i64>, Failure> {
        self.send(b"stats\r\n").await?;
        let mut time = None;
        loop {
            let line = self.line().await?;
            let Some(stat) = line.strip_prefix("STAT ") else { return Ok(time) };
            if let Some(seconds) = stat.strip_prefix("time ") {
                time = seconds.parse().ok();
            }
        }
    }

    pub(super) async fn get(&mut self, key: &str) -> Result<Option<Item>, Failure> {
        self.send(format!("gets {key}\r\n").as_bytes()).await?;
        self.item(key).await
    }

    pub(super) async fn write(&mut self, write: &Write<'_>) -> Result<Written, Failure> {
        let Write { key, over, expiry, value } = write;
        let length = value.len();
        if length > LARGEST {
            return Ok(Written { said: Said::Refused(Failure::TooLarge), there: None });
        }
        let command = match over {
            None => format!("add {key} 0 {expiry} {length}\r\n"),
            Some(cas) => format!("cas {key} {} {expiry} {length} {cas}\r\n", before(*cas)),
        };
        let look = format!("\r\ngets {key}\r\n");
        self.send(&[command.as_bytes(), value, look.as_bytes()].concat()).await?;
        Ok(Written { said: self.said().await?, there: self.item(key).await? })
    }

    /// Says whether there was an item.
    pub(super) async fn delete(&mut self, key: &str) -> Result<bool, Failure> {
        self.send(format!("delete {key}\r\n").as_bytes()).await?;
        match self.line().await?.as_str() {
            "DELETED" => Ok(true),
            "NOT_FOUND" => Ok(false),
            line => Err(refusal(line)?),
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.stream.write_all(bytes).await.map_err(Failure::Ended)
    }

    async fn said(&mut self) -> Result<Said, Failure> {
        Ok(match self.line().await?.as_str() {
            "STORED" => Said::Stored,
            "EXISTS" | "NOT_STORED" => Said::Exists,
            "NOT_FOUND" => Said::Missing,
            line => Said::Refused(refusal(line)?),
        })
    }

    async fn item(&mut self, key: &str) -> Result<Option<Item>, Failure> {
        let line = self.line().await?;
        let words: Vec<&str> = line.split(' ').collect();
        let (before, length, cas) = match words.as_slice() {
            ["END"] => return Ok(None),
            // Another's record is nobody's answer, wherever it comes from.
            ["VALUE", of, before, length, cas] if *of == key => {
                (number(before)?, number::<usize>(length)?, number(cas)?)
            }
            ["VALUE", ..] => return Err(Failure::Stranger),
            _ => return Err(refusal(&line)?),
        };
        if length > LARGEST {
            return Err(Failure::Stranger);
        }
        let value = self.value(length).await?;
        match (self.line().await?.as_str(), cas) {
            ("END", 0) => Err(Failure::NoCas),
            ("END", cas) => Ok(Some(Item { before, cas, value })),
            _ => Err(Failure::Stranger),
        }
    }

    /// So many bytes, and the end of their line.
    async fn value(&mut self, length: usize) -> Result<Vec<u8>, Failure> {
        let mut value = Vec::with_capacity(length.min(64 * 1024) + 2);
        let mut block = (&mut self.stream).take(length as u64 + 2);
        block.read_to_end(&mut value).await.map_err(Failure::Ended)?;
        if value.len() < length + 2 {
            return Err(cut_off());
        }
        match value.split_off(length).as_slice() {
            b"\r\n" => Ok(value),
            _ => Err(Failure::Stranger),
        }
    }

    /// A line without its end.
    async fn line(&mut self) -> Result<String, Failure> {
        let mut line = Vec::new();
        let mut rest = (&mut self.stream).take(LINE);
        rest.read_until(b'\n', &mut line).await.map_err(Failure::Ended)?;
        if !line.ends_with(b"\r\n") {
            let is_cut_off = (line.len() as u64) < LINE && !line.ends_with(b"\n");
            return Err(if is_cut_off { cut_off() } else { Failure::Stranger });
        }
        line.truncate(line.len() - 2);
        String::from_utf8(line).map_err(|_| Failure::Stranger)
    }
}

/// What an item that takes the place of this one says of it.
pub(super) const fn before(cas: u64) -> u32 {
    cas as u32
}

/// What a server's error means. After any other line nobody knows where the next answer begins.
fn refusal(line: &str) -> Result<Failure, Failure> {
    let error = line.strip_prefix("SERVER_ERROR ").ok_or(Failure::Stranger)?;
    Ok(match error {
        _ if error.starts_with("object too large") => Failure::TooLarge,
        _ if error.starts_with("out of memory") => Failure::Full,
        _ => Failure::Failing,
    })
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T, Failure> {
    word.parse().map_err(|_| Failure::Stranger)
}

fn cut_off() -> Failure {
    Failure::Ended(io::ErrorKind::UnexpectedEof.into())
}
