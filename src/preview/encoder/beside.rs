//! The worker's side of an encoder in a process of its own. What comes back is packets of the pictures that were sent, in
//! their order and of the right shape, or it is not believed.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::time::Duration;

use ffmpeg_next::{Packet, codec, frame};

use super::device::Kind;
use super::h264;
use super::wire::{Reply, Shape, write_last, write_picture};
use crate::preview::error::Trouble;
use crate::sys;

/// Pictures that an encoder may keep to itself.
const DELAY: usize = 64;
/// Waiting is counted in slices, not measured: a worker that was paused goes on.
const SLICE: Duration = Duration::from_millis(200);

pub struct Beside {
    socket: Arc<File>,
    replies: Receiver<io::Result<Reply>>,
    kind: Kind,
    shape: Shape,
    extradata: Vec<u8>,
    /// Times of pictures whose packets are to come.
    waiting: VecDeque<i64>,
    since_key: u32,
    /// How long it may take for an answer.
    patience: Duration,
    ending: bool,
    done: bool,
}

impl Beside {
    /// `None`: it has no device that works, or does not answer. Then it is left alone for ever.
    pub fn open(socket: File, shape: Shape, patience: Duration) -> Option<Self> {
        let socket = Arc::new(socket);
        (&*socket).write_all(&shape.encode()).ok()?;
        let (sender, replies) = sync_channel(DELAY);
        let ear = Arc::clone(&socket);
        // Reads all the time: neither side ever waits for the other to read while the other waits for it. Not joined: it
        // ends with the socket, or with this process.
        let listen = move || {
            loop {
                let reply = Reply::read(&mut &*ear, &shape);
                let ended = reply.is_err();
                if sender.send(reply).is_err() || ended {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .name("encoder-ear".into())
            .spawn(listen)
            .ok()?;
        let mut beside = Self {
            socket,
            replies,
            kind: Kind::StandIn,
            shape,
            extradata: Vec::new(),
            waiting: VecDeque::new(),
            since_key: 0,
            patience,
            ending: false,
            done: false,
        };
        let Ok(Reply::Ready { encoder, extradata }) = beside.wait() else {
            return None;
        };
        beside.kind = Kind::of(encoder)?;
        beside.extradata = extradata;
        h264::playable(&beside.extradata).then_some(beside)
    }

    pub fn described(&self) -> Vec<(&'static str, String)> {
        self.kind.described(&self.shape)
    }

    pub fn parameters(&self) -> Result<codec::Parameters, Trouble> {
        let (width, height) = (self.shape.width, self.shape.height);
        sys::h264_parameters(width, height, &self.extradata)
            .ok_or(Trouble::Encoder("its parameter sets cannot be kept"))
    }

    pub fn send(&mut self, picture: &frame::Video) -> Result<(), Trouble> {
        // The socket's own limit on waiting ends a write that nobody reads.
        write_picture(&mut &*self.socket, &self.shape, picture)
            .map_err(|_| Trouble::Encoder("it takes no more pictures"))?;
        self.waiting.push_back(picture.pts().unwrap_or(0));
        Ok(())
    }

    pub fn send_end(&mut self) -> Result<(), Trouble> {
        self.ending = true;
        write_last(&mut &*self.socket).map_err(|_| Trouble::Encoder("it takes no end"))
    }

    /// The next packet, if there is one by now; after the end, all that are left.
    pub fn receive(&mut self) -> Result<Option<Packet>, Trouble> {
        if self.done {
            return Ok(None);
        }
        let reply = if self.ending || self.waiting.len() > DELAY {
            self.wait()?
        } else {
            match self.replies.try_recv() {
                Ok(reply) => reply.map_err(|_| broken())?,
                Err(TryRecvError::Empty) => return Ok(None),
                Err(TryRecvError::Disconnected) => return Err(broken()),
            }
        };
        match reply {
            Reply::Packet { pts, bytes } => self.take(pts, &bytes).map(Some),
            Reply::Done if self.ending && self.waiting.is_empty() => {
                self.done = true;
                Ok(None)
            }
            _ => Err(Trouble::Encoder("it speaks out of turn")),
        }
    }

    fn take(&mut self, pts: i64, bytes: &[u8]) -> Result<Packet, Trouble> {
        if self.waiting.pop_front() != Some(pts) {
            return Err(Trouble::Encoder("it gives other pictures than it got"));
        }
        let key = h264::key_picture(bytes, &self.extradata)
            .ok_or(Trouble::Encoder("what it gives is no picture"))?;
        // The first is one, and then as often as it was told.
        if !key && (self.since_key == 0 || self.since_key > self.shape.key_distance()) {
            return Err(Trouble::Encoder("key pictures are missing"));
        }
        self.since_key = if key { 1 } else { self.since_key + 1 };
        let mut packet = Packet::copy(bytes);
        packet.set_pts(Some(pts));
        packet.set_dts(Some(pts));
        if key {
            packet.set_flags(codec::packet::Flags::KEY);
        }
        Ok(packet)
    }

    fn wait(&self) -> Result<Reply, Trouble> {
        let mut waited = Duration::ZERO;
        while waited < self.patience {
            match self.replies.recv_timeout(SLICE) {
                Ok(reply) => return reply.map_err(|_| broken()),
                Err(RecvTimeoutError::Timeout) => waited += SLICE,
                Err(RecvTimeoutError::Disconnected) => return Err(broken()),
            }
        }
        Err(Trouble::Encoder("it does not answer"))
    }
}

const fn broken() -> Trouble {
    Trouble::Encoder("it broke off, or says what makes no sense")
}
