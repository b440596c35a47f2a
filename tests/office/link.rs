//! The network between an office and its store, which can be cut.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How often a waiting connection looks whether the link is cut.
const LOOKS: Duration = Duration::from_millis(100);

pub struct Link {
    port: u16,
    cut: Arc<AtomicBool>,
    /// Whoever asks for this loses the connection.
    broken: Arc<Mutex<Option<String>>>,
}

impl Link {
    pub fn to(store: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Arc::new(AtomicBool::new(false));
        let is_cut = Arc::clone(&cut);
        let broken = Arc::<Mutex<Option<String>>>::default();
        let asked = Arc::clone(&broken);
        thread::spawn(move || {
            for from in listener.incoming().flatten() {
                if is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                if let Ok(to) = TcpStream::connect(("127.0.0.1", store)) {
                    pass(&from, &to, &is_cut, &asked);
                    pass(&to, &from, &is_cut, &Arc::default());
                }
            }
        });
        Self { port, cut, broken }
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Nothing passes any more when this returns.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        thread::sleep(3 * LOOKS);
    }

    /// Requests for this object lose their connection.
    pub fn breaks_off(&self, key: &str) {
        *self.broken.lock().unwrap() = Some(format!("/{key}"));
    }

    pub fn mend(&self) {
        *self.broken.lock().unwrap() = None;
        self.cut.store(false, Ordering::SeqCst);
    }
}

/// Passes bytes on until either side ends or the link is cut.
fn pass(
    from: &TcpStream,
    to: &TcpStream,
    cut: &Arc<AtomicBool>,
    broken: &Arc<Mutex<Option<String>>>,
) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    let (cut, broken) = (Arc::clone(cut), Arc::clone(broken));
    from.set_read_timeout(Some(LOOKS)).unwrap();
    thread::spawn(move || {
        let mut bytes = vec![0; 64 << 10];
        while !cut.load(Ordering::SeqCst) {
            match from.read(&mut bytes) {
                Ok(0) => break,
                Ok(count) if names(&bytes[..count], &broken) => break,
                Ok(count) if to.write_all(&bytes[..count]).is_ok() => {}
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) => {}
                _ => break,
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    });
}

fn names(request: &[u8], broken: &Mutex<Option<String>>) -> bool {
    let broken = broken.lock().unwrap();
    let names = |key: &String| request.windows(key.len()).any(|at| at == key.as_bytes());
    broken.as_ref().is_some_and(names)
}
