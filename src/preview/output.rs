//! The preview's plaintext on its way into the sink.

use std::io::{self, Write};
use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use super::request::{FinishedPreview, PreviewSink};
use crate::model::{Picture, Sha256Digest};

/// Hashes and counts what passes. Its clones are one: a muxer writes to one, and another finishes it.
#[derive(Clone)]
pub struct HashingOutput(Arc<Mutex<Counted>>);

struct Counted {
    sink: Box<dyn PreviewSink>,
    hash: Sha256,
    size: u64,
}

impl HashingOutput {
    pub fn new(sink: Box<dyn PreviewSink>) -> Self {
        Self(Arc::new(Mutex::new(Counted {
            sink,
            hash: Sha256::new(),
            size: 0,
        })))
    }

    pub fn finish(&self, picture: Picture) -> io::Result<FinishedPreview> {
        let mut counted = self.0.lock();
        let sealed_size = counted.sink.finish()?;
        Ok(FinishedPreview {
            sha256: Sha256Digest(counted.hash.finalize_reset().into()),
            size: counted.size,
            sealed_size,
            picture,
        })
    }
}

impl Write for HashingOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut counted = self.0.lock();
        counted.sink.write(bytes)?;
        counted.hash.update(bytes);
        counted.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
