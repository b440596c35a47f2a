//! Sends wipe requests to root's helper and reads its answers.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::CameraError;
use crate::model::{WipeAnswer, WipeRequest};

/// The pause between checks of `stop`.
const STOP_CHECK: Duration = Duration::from_millis(500);
/// After a stop, the helper may take this long to finish: it deletes the file in hand and hashes no more.
const ENDING: Duration = Duration::from_secs(30);
/// Limit for writing the request, which the helper reads at once.
const WRITING: Duration = Duration::from_secs(30);

/// Sends one request and waits for the answer; after `stop`, only for [`ENDING`].
pub fn ask(
    at: &Path,
    request: &WipeRequest,
    stop: &dyn Fn() -> bool,
) -> Result<WipeAnswer, CameraError> {
    exchange(at, request, stop).map_err(|source| CameraError::WipeHelper {
        at: at.to_owned(),
        source,
    })
}

fn exchange(at: &Path, request: &WipeRequest, stop: &dyn Fn() -> bool) -> io::Result<WipeAnswer> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    let mut stream = UnixStream::connect(at)?;
    stream.set_write_timeout(Some(WRITING))?;
    stream.set_read_timeout(Some(STOP_CHECK))?;
    stream.write_all(&line)?;
    let mut answer = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    let mut stopping: Option<Instant> = None;
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&chunk[..count]),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock
                        | io::ErrorKind::TimedOut
                        | io::ErrorKind::Interrupted
                ) => {}
            Err(error) => return Err(error),
        }
        if answer.len() as u64 > WipeAnswer::BYTES_MAX {
            return Err(io::Error::other("its answer does not end"));
        }
        if answer.ends_with(b"\n") {
            break;
        }
        if stop() {
            let since = *stopping.get_or_insert_with(|| {
                // The helper notices this, stops, and still reports what it has done.
                let _ = stream.shutdown(std::net::Shutdown::Write);
                Instant::now()
            });
            if since.elapsed() > ENDING {
                return Err(io::Error::other("it did not end in time"));
            }
        }
    }
    Ok(serde_json::from_slice(&answer)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::model::WipeLevel;

    fn request() -> WipeRequest {
        WipeRequest {
            v: 1,
            port: "usb-1".into(),
            level: WipeLevel::Stored,
            rehash: true,
            files: Vec::new(),
        }
    }

    fn answered(bytes: &'static [u8]) -> Result<WipeAnswer, CameraError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wipe.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let helper = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut seen = Vec::new();
            let mut byte = [0];
            while !seen.ends_with(b"\n") {
                stream.read_exact(&mut byte).unwrap();
                seen.push(byte[0]);
            }
            stream.write_all(bytes).unwrap();
            serde_json::from_slice::<WipeRequest>(&seen).unwrap()
        });
        let answer = ask(&path, &request(), &|| false);
        assert_eq!(helper.join().unwrap(), request());
        answer
    }

    #[test]
    fn an_answer_is_taken_whole_and_half_a_one_is_none() {
        let whole = answered(b"{\"refused\":\"not allowed\"}\n").unwrap();
        assert_eq!(whole, WipeAnswer::refused("not allowed"));
        assert!(answered(b"{\"files\":[{\"wiped\":true").is_err());
        assert!(answered(b"").is_err());
    }

    #[test]
    fn a_helper_that_is_not_there_is_an_error_that_says_what_to_do() {
        use crate::model::Explain as _;
        let at = Path::new("/nonexistent/wipe.sock");
        let error = ask(at, &request(), &|| false).unwrap_err();
        assert_eq!(error.label(), "wipe_helper");
        assert!(error.next_step().contains("camdock-wipe.socket"));
    }
}
