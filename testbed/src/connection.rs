//! One keep-alive connection, made again where the service ends it, for tests that need thousands of requests, an exact
//! moment, a header of their own, or want to hang up. It keeps no cookies: each request says which ticket it shows.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::{Answer, Service};

/// Longer than any answer takes; a test that waits for none fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to a service. Dropping it hangs up.
#[derive(Debug)]
pub struct Connection {
    address: String,
    stream: BufReader<TcpStream>,
    /// The other of two processes, if the service has two.
    beside: Option<String>,
}

impl Connection {
    /// Connects.
    ///
    /// # Panics
    /// If the service cannot be reached.
    #[must_use]
    pub fn to(service: &Service) -> Self {
        let url = service.url();
        let beside = service.urls().find(|other| *other != url).map(str::to_owned);
        Self { beside, ..Self::open(url) }
    }

    /// A connection to the other process of a service that has two.
    ///
    /// # Panics
    /// If it cannot be reached.
    #[must_use]
    pub fn beside(&self) -> Option<Self> {
        self.beside.as_deref().map(Self::open)
    }

    fn open(url: &str) -> Self {
        let address = url.trim_start_matches("http://");
        Self::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"))
    }

    fn connect(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { address: address.into(), stream: BufReader::new(stream), beside: None })
    }

    /// `POST` with a body of JSON and this ticket, if it is not empty.
    ///
    /// # Panics
    /// If there is no answer.
    pub fn post(&mut self, path: &str, ticket: &str, body: &Value) -> Answer {
        let answer = self.ask("POST", path, &cookie(ticket), &body.to_string());
        answer.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// `GET` with this ticket, if it is not empty.
    ///
    /// # Panics
    /// If there is no answer.
    pub fn get(&mut self, path: &str, ticket: &str) -> Answer {
        let answer = self.ask("GET", path, &cookie(ticket), "");
        answer.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// A whole exchange with these header lines, each ended by CR and LF.
    ///
    /// # Errors
    /// If the service hangs up.
    pub fn ask(&mut self, method: &str, path: &str, lines: &str, body: &str) -> io::Result<Answer> {
        self.send(method, path, lines, body)?;
        self.receive(method)
    }

    /// Sends a request and does not wait for the answer.
    ///
    /// # Errors
    /// If the service hung up.
    pub fn send(&mut self, method: &str, path: &str, lines: &str, body: &str) -> io::Result<()> {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: testbed\r\ncontent-type: application/json\r\n\
             {lines}content-length: {length}\r\n\r\n{body}"
        );
        self.send_bytes(request.as_bytes())
    }

    /// Sends these bytes, whatever they are.
    ///
    /// # Errors
    /// If the service hung up.
    pub fn send_bytes(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(request)
    }

    /// Waits for the answer to a request of this method.
    ///
    /// # Errors
    /// If the service hangs up, or answers what is not HTTP.
    pub fn receive(&mut self, method: &str) -> io::Result<Answer> {
        let first = self.line()?;
        let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.split(' ').next());
        let status = status.and_then(|status| status.parse().ok());
        let status: u16 =
            status.ok_or_else(|| io::Error::other(format!("no status: {first:?}")))?;
        let mut headers = HeaderMap::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) =
                line.split_once(": ").ok_or_else(|| io::Error::other("no header"))?;
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).map_err(io::Error::other)?,
                HeaderValue::from_str(value).map_err(io::Error::other)?,
            );
        }
        let has_body = method != "HEAD" && status != 304;
        let body = if has_body { self.body(&headers)? } else { Vec::new() };
        let text = String::from_utf8(body).map_err(io::Error::other)?;
        let is_closed = headers.get("connection").is_some_and(|connection| connection == "close");
        // After a handshake, what follows is no HTTP.
        if is_closed || status == 101 {
            self.stream = Self::connect(&self.address)?.stream;
        }
        Ok(Answer { status, headers, text })
    }

    fn body(&mut self, headers: &HeaderMap) -> io::Result<Vec<u8>> {
        let length = headers.get("content-length").and_then(|length| length.to_str().ok());
        let mut body = Vec::new();
        if headers.get("transfer-encoding").is_none_or(|encoding| encoding != "chunked") {
            let length = length.unwrap_or("0").parse().map_err(io::Error::other)?;
            self.piece(length, &mut body)?;
            return Ok(body);
        }
        loop {
            let length = usize::from_str_radix(&self.line()?, 16).map_err(io::Error::other)?;
            self.piece(length, &mut body)?;
            self.line()?;
            if length == 0 {
                return Ok(body);
            }
        }
    }

    fn piece(&mut self, length: usize, body: &mut Vec<u8>) -> io::Result<()> {
        let begin = body.len();
        body.resize(begin + length, 0);
        self.stream.read_exact(&mut body[begin..])
    }

    /// Whether nothing comes for this long.
    ///
    /// # Panics
    /// If the connection cannot be asked.
    pub fn is_silent_for(&mut self, span: Duration) -> bool {
        self.stream.get_ref().set_read_timeout(Some(span)).expect("a span that is not zero");
        let waited = self.stream.fill_buf().map(|_| ());
        self.stream.get_ref().set_read_timeout(Some(PATIENCE)).expect("a span that is not zero");
        waited
            .is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

/// The header line that shows this ticket; nothing if it is empty.
fn cookie(ticket: &str) -> String {
    if ticket.is_empty() { String::new() } else { format!("cookie: session={ticket}\r\n") }
}
