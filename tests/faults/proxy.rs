//! Stands between a station and a real store, and does to requests and answers what networks and broken stores do.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The parts of a request that select faults.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub query: String,
    headers: Vec<(String, String)>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn is(&self, method: &str, path_end: &str, query: &str) -> bool {
        self.method == method
            && self.path.ends_with(path_end)
            && (self.query.contains(query) || query.is_empty() && !self.query.contains("upload"))
    }
}

/// The calls that a station makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Any,
    PutManifest,
    PutOriginal,
    PutReceipt,
    PutCheckpoint,
    GetCheckpoint,
    BeginUpload,
    Part,
    ListParts,
    Complete,
    HeadOriginal,
}

impl Call {
    fn fits(self, asked: &Asked) -> bool {
        match self {
            Self::Any => true,
            Self::PutManifest => asked.is("PUT", "/manifest.json", ""),
            Self::PutOriginal => asked.is("PUT", "/original", ""),
            Self::PutReceipt => asked.is("PUT", "/receipt", ""),
            Self::PutCheckpoint => asked.is("PUT", "/checkpoint", ""),
            Self::GetCheckpoint => asked.is("GET", "/checkpoint", ""),
            Self::BeginUpload => asked.is("POST", "/original", "uploads"),
            Self::Part => asked.is("PUT", "/original", "partNumber="),
            Self::ListParts => asked.is("GET", "/original", "uploadId="),
            Self::Complete => asked.is("POST", "/original", "uploadId="),
            Self::HeadOriginal => asked.method == "HEAD" && asked.path.ends_with("/original"),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// The connection ends before anything is answered; the store never hears of it.
    Reset,
    /// Nothing is ever answered, and the connection stays.
    Silent,
    Late(Duration),
    /// The store does it, and the connection ends before the answer.
    LostReply,
    /// The store does it, and half of the answer arrives.
    CutReply,
    /// The store does it, and the answer's body is garbage.
    Garbage,
    /// The proxy answers instead of the store: status, code, seconds to stay away, seconds that its clock is ahead.
    Answer(u16, &'static str, Option<u64>, i64),
    /// The proxy says stored, with the checksum that was sent, and keeps nothing.
    Liar,
    /// The store does it, but names another checksum.
    OtherChecksum,
    /// The store does it, and names no checksum.
    NoChecksum,
}

struct Rule {
    call: Call,
    fault: Fault,
    /// Requests to let pass first.
    skip: u32,
    /// Requests to spoil after that.
    times: u32,
    done: u32,
}

#[derive(Default)]
struct Rules(Mutex<Vec<Rule>>);

impl Rules {
    fn next(&self, asked: &Asked) -> Option<Fault> {
        let mut rules = self.0.lock().unwrap();
        for rule in rules.iter_mut().filter(|rule| rule.call.fits(asked)) {
            if rule.skip > 0 {
                rule.skip -= 1;
            } else if rule.times > 0 {
                rule.times -= 1;
                rule.done += 1;
                return Some(rule.fault);
            }
        }
        None
    }
}

pub struct Proxy {
    port: u16,
    rules: Arc<Rules>,
    /// Connections are refused.
    closed: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
}

impl Proxy {
    pub fn start(store: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            rules: Arc::default(),
            closed: Arc::default(),
            ended: Arc::default(),
        };
        let (rules, closed, ended) = (
            Arc::clone(&proxy.rules),
            Arc::clone(&proxy.closed),
            Arc::clone(&proxy.ended),
        );
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                if closed.load(Ordering::Relaxed) {
                    reset(&stream);
                    continue;
                }
                let rules = Arc::clone(&rules);
                std::thread::spawn(move || {
                    let _ = serve(stream, store, &rules);
                });
            }
        });
        proxy
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Spoils requests of this kind: lets `skip` pass, then spoils `times`.
    pub fn spoil(&self, call: Call, fault: Fault, skip: u32, times: u32) {
        self.rules.0.lock().unwrap().push(Rule {
            call,
            fault,
            skip,
            times,
            done: 0,
        });
    }

    /// The number of requests that were spoilt.
    pub fn spoilt(&self) -> u32 {
        self.rules.0.lock().unwrap().iter().map(|r| r.done).sum()
    }

    /// Spoils nothing from now on.
    pub fn heal(&self) {
        for rule in self.rules.0.lock().unwrap().iter_mut() {
            rule.times = 0;
        }
        self.closed.store(false, Ordering::Relaxed);
    }

    /// New connections end at once.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// As if the other side had crashed: what is on its way is lost.
fn reset(stream: &TcpStream) {
    let linger = Some(Duration::ZERO);
    let _ = rustix::net::sockopt::set_socket_linger(stream, linger);
    let _ = stream.shutdown(Shutdown::Both);
}

/// Serves one request for each connection.
fn serve(client: TcpStream, store: u16, rules: &Rules) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(());
    }
    let mut words = first.split_whitespace();
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let asked = Asked {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
    };
    let fault = rules.next(&asked);
    if matches!(fault, Some(Fault::Reset)) {
        reset(&client);
        return Ok(());
    }
    if asked.header("expect").is_some() {
        (&client).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let length = asked
        .header("content-length")
        .map_or(0, |l| l.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    if let Some(Fault::Late(time)) = fault {
        std::thread::sleep(time);
    }
    let answer = match fault {
        Some(Fault::Silent) => {
            // Until the client gives up.
            let _ = reader.read(&mut [0]);
            return Ok(());
        }
        Some(Fault::Answer(status, code, away, ahead)) => proxy_answer(status, code, away, ahead),
        Some(Fault::Liar) => lie(&asked),
        _ => forward(&first, &asked, &body, store)?,
    };
    let answer = match fault {
        Some(Fault::LostReply) => {
            reset(&client);
            return Ok(());
        }
        Some(Fault::CutReply) => answer[..answer.len() - answer.len() / 2].to_vec(),
        Some(Fault::Garbage) => garbage(&answer),
        Some(Fault::OtherChecksum) => with_checksum(
            &answer,
            Some("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ),
        Some(Fault::NoChecksum) => with_checksum(&answer, None),
        _ => answer,
    };
    (&client).write_all(&answer)
}

fn forward(first: &str, asked: &Asked, body: &[u8], store: u16) -> std::io::Result<Vec<u8>> {
    let mut upstream = TcpStream::connect(("127.0.0.1", store))?;
    let mut head = first.to_owned();
    for (name, value) in &asked.headers {
        if !["connection", "expect"].contains(&name.to_ascii_lowercase().as_str()) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head.push_str("Connection: close\r\n\r\n");
    upstream.write_all(head.as_bytes())?;
    upstream.write_all(body)?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    Ok(answer)
}

fn http_date(ahead: i64) -> String {
    let now = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(ahead);
    jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&now)
        .unwrap()
}

fn proxy_answer(status: u16, code: &str, away: Option<u64>, ahead: i64) -> Vec<u8> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>made up</Message></Error>"
    );
    let away = away.map_or(String::new(), |s| format!("Retry-After: {s}\r\n"));
    format!(
        "HTTP/1.1 {status} Made Up\r\nDate: {}\r\n{away}Content-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        http_date(ahead),
        body.len()
    )
    .into_bytes()
}

fn lie(asked: &Asked) -> Vec<u8> {
    let checksum = asked.header("x-amz-checksum-sha256").unwrap_or("");
    format!(
        "HTTP/1.1 200 OK\r\nDate: {}\r\nETag: \"0123456789abcdef0123456789abcdef\"\r\nx-amz-checksum-sha256: {checksum}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        http_date(0)
    )
    .into_bytes()
}

fn split(answer: &[u8]) -> (String, &[u8]) {
    let end = answer
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .map_or(answer.len(), |at| at + 4);
    let (head, body) = answer.split_at(end);
    (String::from_utf8_lossy(head).into_owned(), body)
}

fn garbage(answer: &[u8]) -> Vec<u8> {
    let (head, body) = split(answer);
    let mut spoilt = head.into_bytes();
    spoilt.extend(body.iter().map(|byte| byte ^ 0x15));
    spoilt
}

fn with_checksum(answer: &[u8], checksum: Option<&str>) -> Vec<u8> {
    let (head, body) = split(answer);
    let kept = head.lines().filter(|line| {
        !line.is_empty()
            && !line
                .to_ascii_lowercase()
                .starts_with("x-amz-checksum-sha256")
    });
    let mut spoilt = kept.collect::<Vec<_>>().join("\r\n");
    spoilt.push_str("\r\n");
    if let Some(checksum) = checksum {
        spoilt.push_str(&format!("x-amz-checksum-sha256: {checksum}\r\n"));
    }
    spoilt.push_str("\r\n");
    let mut spoilt = spoilt.into_bytes();
    spoilt.extend_from_slice(body);
    spoilt
}
