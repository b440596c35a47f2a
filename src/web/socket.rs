//! A Unix socket, open to the service's user and group only.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use crate::sys;

/// Bytes of a request.
const LINE_MAX: u64 = 1 << 20;

/// Owns the task that accepts connections, which owns the connections.
pub struct Socket {
    path: PathBuf,
    /// `None` once stopped.
    running: Option<(JoinHandle<()>, oneshot::Sender<Duration>)>,
}

impl Socket {
    /// Listens and hands each connection to `serve`; connections beyond `connections_max` are closed at once.
    pub fn open<S, F>(path: PathBuf, connections_max: usize, serve: S) -> io::Result<Self>
    where
        S: Fn(UnixStream) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = listen(&path)?;
        let (stop, stopped) = oneshot::channel();
        let accepting = tokio::spawn(accept(listener, connections_max, serve, stopped));
        Ok(Self {
            path,
            running: Some((accepting, stop)),
        })
    }

    /// Accepts nothing more, lets open connections finish within `grace`, then ends them. The file stays.
    pub async fn stop(&mut self, grace: Duration) {
        if let Some((accepting, stop)) = self.running.take() {
            let _ = stop.send(grace);
            if let Err(error) = accepting.await {
                tracing::error!(
                    code = "part_crashed",
                    error = &error as &dyn std::error::Error,
                    next_step = "report this with the log lines before it",
                    "a socket's task panicked"
                );
            }
        }
    }

    pub fn remove(self) {
        let _ = std::fs::remove_file(self.path);
    }
}

/// Reads a request, one line of JSON, and writes the answer of `serve` in the same way. `serve` also gets the asking account as
/// the kernel knows it; the process itself is not asked.
pub async fn answer_line<Q, A, F>(
    mut stream: UnixStream,
    serve: impl FnOnce(Result<Q, serde_json::Error>, String) -> F,
) -> io::Result<()>
where
    Q: DeserializeOwned,
    A: Serialize,
    F: Future<Output = A>,
{
    let peer = sys::account(stream.peer_cred()?.uid());
    let mut line = String::new();
    let (from, mut to) = stream.split();
    BufReader::new(from.take(LINE_MAX))
        .read_line(&mut line)
        .await?;
    let answer = serve(serde_json::from_str(&line), peer).await;
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    to.write_all(&line).await
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt as _;
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("cannot listen on {}: {error}", path.display()),
        )
    })?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

async fn accept<S, F>(
    listener: UnixListener,
    connections_max: usize,
    serve: S,
    mut stopped: oneshot::Receiver<Duration>,
) where
    S: Fn(UnixStream) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let grace = loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            grace = &mut stopped => break grace.unwrap_or_default(),
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        if connections.len() < connections_max {
            connections.spawn(serve(stream));
        }
    };
    drop(listener);
    let finish = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(grace, finish).await;
    connections.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stop_lets_a_connection_finish_and_ends_an_idle_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let mut socket = Socket::open(path.clone(), 2, |mut stream| async move {
            let mut byte = [0];
            if stream.read_exact(&mut byte).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let _ = stream.write_all(b"done").await;
            }
        })
        .unwrap();
        let mut asking = UnixStream::connect(&path).await.unwrap();
        let mut idle = UnixStream::connect(&path).await.unwrap();
        asking.write_all(b"?").await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut turned_away = UnixStream::connect(&path).await.unwrap();
        let mut reply = String::new();
        turned_away.read_to_string(&mut reply).await.unwrap();
        assert_eq!(reply, "", "a third connection is closed at once");
        socket.stop(Duration::from_millis(500)).await;
        asking.read_to_string(&mut reply).await.unwrap();
        assert_eq!(reply, "done");
        assert_eq!(idle.read(&mut [0]).await.unwrap(), 0);
    }
}
