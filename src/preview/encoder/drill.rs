//! Misdeeds of an encoder process: each must end in a proxy that was made in software, or by the sandbox.

use std::fs::File;
use std::io::{self, Write as _};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::wire::Reply;
use crate::preview::drill::alone;
use crate::preview::request::Drill;

/// The picture at which it begins to misbehave.
const MIDWAY: u64 = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EncoderDrill {
    /// Behind its sandbox, before it says that it is ready.
    Misdeed(Drill),
    /// It never says that it is ready.
    Never,
    Crash,
    Hang,
    /// A length beyond all bounds.
    GarbageLength,
    /// Of the right shape, but no picture.
    Garbage,
    /// More pictures than it got.
    TooMuch,
    /// The same without end, and it reads no more.
    Flood,
    /// It takes all pictures and gives nothing.
    Silent,
}

/// Done when the sandbox is closed.
pub fn before(drill: EncoderDrill) {
    match drill {
        EncoderDrill::Misdeed(misdeed) => match alone(misdeed) {
            Some(Err(error)) => eprintln!("drill refused: {error}"),
            _ => eprintln!("drill succeeded"),
        },
        EncoderDrill::Never => sleep(),
        _ => {}
    }
}

/// Done when a picture was read.
pub fn during(drill: EncoderDrill, number: u64, socket: &mut File) -> io::Result<()> {
    if drill == EncoderDrill::Silent {
        io::copy(socket, &mut io::sink())?;
    }
    if number < MIDWAY {
        return Ok(());
    }
    match drill {
        EncoderDrill::Crash => std::process::abort(),
        EncoderDrill::Hang => sleep(),
        EncoderDrill::GarbageLength => socket.write_all(&[0xff; 13]),
        EncoderDrill::TooMuch => packet().write(socket),
        EncoderDrill::Flood => loop {
            packet().write(socket)?;
        },
        _ => Ok(()),
    }
}

/// Done to each packet.
pub fn spoil(drill: EncoderDrill, number: u64, bytes: &mut Vec<u8>) {
    if drill == EncoderDrill::Garbage && number >= MIDWAY {
        bytes.splice(.., *b"no picture at all");
    }
}

fn packet() -> Reply {
    let bytes = vec![0, 0, 0, 1, 0x41, 1];
    Reply::Packet { pts: 0, bytes }
}

fn sleep() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}
