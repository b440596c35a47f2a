//! The host's end of `guest/agent.py`: commands and files over a virtio port.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::{Value, json};

/// The result of a command in the guest.
#[derive(Debug)]
pub struct Ran {
    /// `None` if it took too long and was killed.
    pub code: Option<i64>,
    pub out: Vec<u8>,
    pub err: String,
}

impl Ran {
    #[track_caller]
    pub fn ends(self, code: i64) -> Self {
        let out = self.text();
        assert_eq!(self.code, Some(code), "{out}\n{}", self.err);
        self
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// Parses the output as one JSON object on each line.
    pub fn lines(&self) -> Vec<Value> {
        let text = self.text();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

pub struct Agent {
    port: BufReader<UnixStream>,
    requests: u64,
}

impl Agent {
    pub fn new(port: UnixStream) -> Self {
        Self {
            port: BufReader::with_capacity(1 << 20, port),
            requests: 0,
        }
    }

    /// Waits for the agent of a booting guest and returns the boot's id.
    pub fn hello(&mut self, limit: Duration) -> String {
        loop {
            let (head, _) = self.read(limit);
            if head["id"] == 0 {
                return head["boot"].as_str().unwrap().to_owned();
            }
        }
    }

    /// Returns the guest's clock in seconds since 1970 and the boot's id; sets the clock first if `time` is given.
    pub fn clock(&mut self, time: Option<f64>) -> (f64, String) {
        let request = time.map_or_else(|| json!({}), |time| json!({"time": time}));
        let (head, _) = self.ask("clock", request, &[], Duration::from_secs(30));
        let boot = head["boot"].as_str().unwrap().to_owned();
        (head["time"].as_f64().unwrap(), boot)
    }

    pub fn run(&mut self, argv: &[&str], stdin: &[u8], limit: Duration) -> Ran {
        let request = json!({"argv": argv, "timeout": limit.as_secs_f64()});
        let (head, mut streams) = self.ask("run", request, stdin, limit + Duration::from_secs(30));
        let err = streams.pop().unwrap();
        Ran {
            code: head["code"].as_i64(),
            out: streams.pop().unwrap(),
            err: String::from_utf8_lossy(&err).into_owned(),
        }
    }

    /// Writes a file and the folders above it.
    pub fn put(&mut self, path: &str, mode: u32, bytes: &[u8], modified: Option<i64>) {
        let mut request = json!({"path": path, "mode": mode});
        if let Some(time) = modified {
            request["modified"] = time.into();
        }
        self.ask("put", request, bytes, Duration::from_mins(2));
    }

    pub fn get(&mut self, path: &str) -> Vec<u8> {
        let limit = Duration::from_mins(2);
        let (_, mut streams) = self.ask("get", json!({"path": path}), &[], limit);
        streams.pop().unwrap()
    }

    /// The guest's time and the station's status; `None` while the service does not run.
    pub fn status(&mut self) -> (f64, Option<Value>) {
        let (head, streams) = self.ask("status", json!({}), &[], Duration::from_secs(30));
        let view = serde_json::from_slice(&streams[0]).ok();
        (head["time"].as_f64().unwrap(), view)
    }

    #[track_caller]
    fn ask(
        &mut self,
        op: &str,
        mut request: Value,
        bytes: &[u8],
        limit: Duration,
    ) -> (Value, Vec<Vec<u8>>) {
        self.requests += 1;
        request["id"] = self.requests.into();
        request["op"] = op.into();
        request["bytes"] = bytes.len().into();
        let port = self.port.get_mut();
        port.set_write_timeout(Some(limit)).unwrap();
        let mut line = request.to_string().into_bytes();
        line.push(b'\n');
        port.write_all(&line).unwrap();
        port.write_all(bytes).unwrap();
        loop {
            let (head, streams) = self.read(limit);
            assert!(head["id"] != 0, "the guest has rebooted during {op}");
            // A late reply to a request that timed out is skipped.
            if head["id"] == self.requests {
                let failed = &head["failed"];
                assert!(failed.is_null(), "{op} failed in the guest: {failed}");
                return (head, streams);
            }
        }
    }

    #[track_caller]
    fn read(&mut self, limit: Duration) -> (Value, Vec<Vec<u8>>) {
        self.port.get_mut().set_read_timeout(Some(limit)).unwrap();
        let mut line = Vec::new();
        let read = self.port.read_until(b'\n', &mut line);
        let read = read.unwrap_or_else(|error| panic!("the guest does not answer: {error}"));
        assert!(read > 0, "the guest's machine has gone");
        let head: Value = serde_json::from_slice(&line)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&line)));
        let lengths = head["bytes"].as_array().unwrap().iter();
        let streams = lengths.map(|len| {
            let mut bytes = vec![0; usize::try_from(len.as_u64().unwrap()).unwrap()];
            self.port.read_exact(&mut bytes).unwrap();
            bytes
        });
        let streams = streams.collect();
        (head, streams)
    }
}
