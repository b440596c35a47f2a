//! The encoder process: opens a device, tries it out, closes its sandbox, and then turns pictures into packets.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use ffmpeg_next::{Dictionary, Error, Packet, codec, decoder, frame};

use super::device::{Candidate, Device, Kind, candidates, stand_in};
use super::drill::{self, EncoderDrill};
use super::start::EncoderOrder;
use super::wire::{Reply, Shape, read_picture};
use super::{ENCODER_SOCKET, h264};
use crate::preview::error::PreviewError;
use crate::preview::input::prepare;
use crate::sys::{self, VaapiDevice};

/// The hidden verb that makes `camdock` an encoder process.
pub const ENCODER_VERB: &str = "preview-encoder";
const ORDER_MAX: u64 = 4096;
/// Descriptors that a driver may have.
const DESCRIPTORS: u32 = 64;
/// Pictures of a trial.
const TRIAL: u8 = 3;
/// How far the middle of a trial's picture may be from what was sent, in grey levels.
const FAR: u8 = 24;

/// The whole of the process. Ends quietly where no device works, and when its worker has ended.
pub fn encoder_process() -> Result<(), PreviewError> {
    sys::forbid_core_dumps();
    sys::background_priority();
    let started = (|| -> io::Result<_> {
        let socket = sys::inherited(ENCODER_SOCKET)?;
        let mut text = Vec::new();
        io::stdin().lock().take(ORDER_MAX).read_to_end(&mut text)?;
        Ok((socket, serde_json::from_slice::<EncoderOrder>(&text)?))
    })();
    let (mut socket, order) = started.map_err(PreviewError::Start)?;
    sys::limit_cpu(order.limits.cpu_seconds);
    let mut bytes = [0; Shape::BYTES];
    if socket.read_exact(&mut bytes).is_err() {
        // The worker has no use for it: no video, or it ended.
        return Ok(());
    }
    let shape = Shape::decode(&bytes).ok_or(PreviewError::Nonsense("no such pictures"))?;
    let Some((device, kind, extradata)) = open(&order, &shape) else {
        eprintln!("no hardware encoder works here");
        return Ok(());
    };
    // Threads that a driver started before this are held by the filter on system calls, which refuses them files as well.
    sys::confine(&sys::Confinement {
        memory_bytes: order.limits.memory_bytes,
        cpu_seconds: order.limits.cpu_seconds,
        output_bytes: 0,
        descriptors: DESCRIPTORS,
        device: true,
    })?;
    if let Some(drill) = order.drill {
        drill::before(drill);
    }
    let ready = Reply::Ready {
        encoder: kind.number(),
        extradata,
    };
    ready.write(&mut socket).map_err(PreviewError::Start)?;
    serve(device, &shape, &mut socket, order.drill)
        .map_err(|error| PreviewError::Crashed(error.to_string()))
}

/// The first that passes its trial, opened anew, with the parameter sets of its stream.
fn open(order: &EncoderOrder, shape: &Shape) -> Option<(Device, Kind, Vec<u8>)> {
    prepare();
    let list = if order.stand_in {
        vec![stand_in()]
    } else {
        candidates(Path::new("/"))
    };
    list.iter().find_map(|candidate| {
        let (name, node) = (candidate.kind.name(), candidate.node.display());
        let tried = try_out(candidate, shape);
        match &tried {
            Ok(_) => eprintln!("{name} on {node}"),
            Err(error) => eprintln!("{name} on {node} does not do: {error}"),
        }
        let (device, extradata) = tried.ok()?;
        Some((device, candidate.kind, extradata))
    })
}

fn try_out(candidate: &Candidate, shape: &Shape) -> Result<(Device, Vec<u8>), Error> {
    let graphics = match candidate.kind {
        Kind::Vaapi => Some(VaapiDevice::open(&candidate.node)?),
        _ => None,
    };
    let trial = Device::open(candidate, graphics.as_ref(), shape)?;
    let extradata = pass(trial, shape)?;
    let device = Device::open(candidate, graphics.as_ref(), shape)?;
    Ok((device, extradata))
}

/// Encodes some pictures and looks at what comes out: drivers that take another profile, another size, or paint everything
/// green are found here, before a proxy depends on them. Returns the stream's parameter sets.
fn pass(mut device: Device, shape: &Shape) -> Result<Vec<u8>, Error> {
    let (width, height) = (shape.width as usize, shape.height as usize);
    let mut packets = Vec::new();
    for number in 0..TRIAL {
        let planes = [
            vec![grey(number); width * height],
            vec![100; width * height / 4],
            vec![150; width * height / 4],
        ];
        device.send(i64::from(number) * 3600, &planes)?;
        while let Some(packet) = device.receive()? {
            packets.push(packet);
        }
    }
    device.send_end()?;
    while let Some(packet) = device.receive()? {
        packets.push(packet);
    }
    let first = packets.first().ok_or(Error::InvalidData)?;
    let mut extradata = device.parameter_sets();
    if extradata.is_empty() {
        extradata = h264::parameter_sets(&first.1);
    }
    let keys = packets
        .iter()
        .map(|(_, bytes)| h264::key_picture(bytes, &extradata));
    let keys: Option<Vec<bool>> = keys.collect();
    let begins = keys.is_some_and(|keys| keys.len() == usize::from(TRIAL) && keys[0]);
    if !begins || !h264::playable(&extradata) {
        return Err(Error::InvalidData);
    }
    let shown = show(&extradata, &packets)?;
    let as_sent = shown.iter().zip(0..).all(|(picture, number)| {
        let middle = picture.stride(0) * height / 2 + width / 2;
        (picture.width(), picture.height()) == (shape.width, shape.height)
            && picture.data(0)[middle].abs_diff(grey(number)) < FAR
    });
    if as_sent && shown.len() == usize::from(TRIAL) {
        Ok(extradata)
    } else {
        Err(Error::InvalidData)
    }
}

/// Decodes a trial's packets.
fn show(extradata: &[u8], packets: &[(i64, Vec<u8>)]) -> Result<Vec<frame::Video>, Error> {
    let codec = codec::decoder::find(codec::Id::H264).ok_or(Error::DecoderNotFound)?;
    let options: Dictionary<'_> = [("threads", "1")].into_iter().collect();
    let mut decoder = codec::Context::new_with_codec(codec)
        .decoder()
        .open_as_with(codec, options)?
        .video()?;
    let mut shown = Vec::new();
    let mut collect = |decoder: &mut decoder::Video| {
        let mut picture = frame::Video::empty();
        while decoder.receive_frame(&mut picture).is_ok() {
            shown.push(std::mem::replace(&mut picture, frame::Video::empty()));
        }
    };
    for (number, (_, bytes)) in packets.iter().enumerate() {
        let sets = if number == 0 { extradata } else { &[] };
        decoder.send_packet(&Packet::copy(&[sets, bytes].concat()))?;
        collect(&mut decoder);
    }
    decoder.send_eof()?;
    collect(&mut decoder);
    Ok(shown)
}

const fn grey(number: u8) -> u8 {
    60 + 40 * number
}

/// Until the last picture, or until the worker has ended.
fn serve(
    mut device: Device,
    shape: &Shape,
    socket: &mut File,
    drill: Option<EncoderDrill>,
) -> io::Result<()> {
    let mut planes = [const { Vec::new() }; 3];
    let mut number = 0;
    loop {
        let read = read_picture(socket, shape, &mut planes);
        if matches!(&read, Err(error) if error.kind() == io::ErrorKind::UnexpectedEof) {
            return Ok(());
        }
        let next = read?;
        if let (Some(_), Some(drill)) = (next, drill) {
            drill::during(drill, number, socket)?;
        }
        let done = match next {
            Some(pts) => device.send(pts, &planes),
            None => device.send_end(),
        };
        done.map_err(io::Error::other)?;
        while let Some((pts, mut bytes)) = device.receive().map_err(io::Error::other)? {
            if let Some(drill) = drill {
                drill::spoil(drill, number, &mut bytes);
            }
            Reply::Packet { pts, bytes }.write(socket)?;
        }
        if next.is_none() {
            return Reply::Done.write(socket);
        }
        number += 1;
    }
}
