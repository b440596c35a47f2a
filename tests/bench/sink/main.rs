//! A store that costs next to nothing, for `make bench`: it reads what is put, answers with the checksums that the client sent,
//! and keeps only small objects. What is left of a client's time and CPU seconds is the client's own. It is no store for tests
//! of anything but speed: it checks no signature and no digest, and it says that it holds what it has dropped.

mod answers;
mod objects;

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::rc::Rc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use answers::Sink;

/// Prints its port, and serves on loopback until its standard input ends.
fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap().port());
        std::io::stdout().flush().unwrap();
        let sink = Rc::new(Sink::default());
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let _ = stream.set_nodelay(true);
            let sink = Rc::clone(&sink);
            tokio::task::spawn_local(async move {
                let service = service_fn(|request| {
                    let sink = Rc::clone(&sink);
                    async move { Ok::<_, Infallible>(sink.answer(request).await) }
                });
                // A client that leaves ends its own connection only.
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
}
