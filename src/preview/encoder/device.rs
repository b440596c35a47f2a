//! Hardware encoders: which there may be, and how each is opened.
//!
//! NVENC stays out: NVIDIA's driver is closed and maps memory that is writable and runnable. Quick Sync does, too: it is the
//! same silicon that VA-API reaches, through one more library.

use std::path::{Path, PathBuf};

use ffmpeg_next::format::Pixel;
use ffmpeg_next::{Dictionary, Error, Packet, codec, encoder, frame};
use rustix::fs::{Access, access};

use super::h264;
use super::software::prepare;
use super::wire::Shape;
use crate::preview::decode::again;
use crate::sys::{self, VaapiDevice, VaapiSurfaces};

/// Constrained baseline, as `profile_idc` with its flag; the encoders share the number, not a name.
const PROFILE: &str = "578";
const QUALITY: &str = "28";

/// An encoder that is not in this process. Its number goes over the wire, its name into the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Vaapi,
    V4l2,
    /// For tests of the whole way without such a device: libx264 in the place of the hardware.
    StandIn,
}

impl Kind {
    pub const fn number(self) -> i64 {
        match self {
            Self::Vaapi => 1,
            Self::V4l2 => 2,
            Self::StandIn => 3,
        }
    }

    pub fn of(number: i64) -> Option<Self> {
        let all = [Self::Vaapi, Self::V4l2, Self::StandIn];
        all.into_iter().find(|kind| kind.number() == number)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Vaapi => "h264_vaapi",
            Self::V4l2 => "h264_v4l2m2m",
            Self::StandIn => "stand-in",
        }
    }

    /// What a proxy's record says of it.
    pub fn described(self, shape: &Shape) -> Vec<(&'static str, String)> {
        let quality = match self {
            Self::Vaapi => ("qp", QUALITY.to_owned()),
            Self::V4l2 => ("bit_rate", shape.bits_per_second().to_string()),
            Self::StandIn => ("crf", QUALITY.to_owned()),
        };
        vec![
            ("encoder", self.name().to_owned()),
            ("profile", "constrained baseline".into()),
            quality,
        ]
    }
}

/// One way to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub kind: Kind,
    pub node: PathBuf,
    /// What the encoder takes.
    format: Pixel,
    /// Of VA-API: the smaller of two circuits, on some chips the only one.
    low_power: bool,
}

/// What may work here, the best first. `root` is `/`, or a test's tree of the same shape.
pub fn candidates(root: &Path) -> Vec<Candidate> {
    let of = |kind, node: &Path, format, low_power| Candidate {
        kind,
        node: node.to_owned(),
        format,
        low_power,
    };
    let mut found = Vec::new();
    for node in nodes(&root.join("dev/dri"), "renderD") {
        found.extend([false, true].map(|low| of(Kind::Vaapi, &node, Pixel::NV12, low)));
    }
    // ffmpeg itself looks which of them is an encoder.
    if !nodes(&root.join("dev"), "video").is_empty() {
        let any = root.join("dev/video*");
        let formats = [Pixel::YUV420P, Pixel::NV12];
        found.extend(formats.map(|format| of(Kind::V4l2, &any, format, false)));
    }
    found
}

pub fn stand_in() -> Candidate {
    Candidate {
        kind: Kind::StandIn,
        node: PathBuf::new(),
        format: Pixel::YUV420P,
        low_power: false,
    }
}

/// The nodes with a name and a number that this user may use.
fn nodes(folder: &Path, name: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let own = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
            let number = own.strip_prefix(name).unwrap_or("");
            !number.is_empty()
                && number.bytes().all(|b| b.is_ascii_digit())
                && access(path, Access::READ_OK | Access::WRITE_OK).is_ok()
        })
        .collect();
    found.sort();
    found
}

/// An open encoder of this process.
pub struct Device {
    encoder: encoder::video::Encoder,
    surfaces: Option<VaapiSurfaces>,
    format: Pixel,
    shape: Shape,
    /// Parameter sets that came in the stream, before its pictures.
    sets: Vec<u8>,
}

impl Device {
    /// `graphics`: the device of a candidate for VA-API.
    pub fn open(
        candidate: &Candidate,
        graphics: Option<&VaapiDevice>,
        shape: &Shape,
    ) -> Result<Self, Error> {
        let name = match candidate.kind {
            Kind::StandIn => "libx264",
            hardware => hardware.name(),
        };
        let codec = codec::encoder::find_by_name(name).ok_or(Error::EncoderNotFound)?;
        let mut encoder = codec::Context::new_with_codec(codec).encoder().video()?;
        prepare(&mut encoder, shape);
        encoder.set_max_b_frames(0);
        encoder.set_format(candidate.format);
        let bits = shape.bits_per_second().to_string();
        let mut options = Dictionary::new();
        let mut surfaces = None;
        match candidate.kind {
            Kind::Vaapi => {
                let graphics = graphics.ok_or(Error::Bug)?;
                let own = VaapiSurfaces::new(graphics, shape.width, shape.height)?;
                own.give_to(&mut encoder)?;
                surfaces = Some(own);
                encoder.set_format(Pixel::VAAPI);
                options.set("profile", PROFILE);
                options.set("rc_mode", "CQP");
                options.set("qp", QUALITY);
                options.set("coder", "cavlc");
                options.set("sei", "0");
                options.set("low_power", if candidate.low_power { "1" } else { "0" });
            }
            Kind::V4l2 => {
                options.set("profile", PROFILE);
                options.set("b", &bits);
            }
            Kind::StandIn => {
                options.set("profile", "baseline");
                options.set("preset", "veryfast");
                options.set("crf", QUALITY);
                options.set("threads", "1");
            }
        }
        Ok(Self {
            encoder: encoder.open_as_with(codec, options)?,
            surfaces,
            format: candidate.format,
            shape: *shape,
            sets: Vec::new(),
        })
    }

    /// The stream's parameter sets: told before its first packet, or in a packet of their own. Empty: neither.
    pub fn parameter_sets(&self) -> Vec<u8> {
        let told = h264::parameter_sets(&sys::extradata(&self.encoder));
        if told.is_empty() {
            self.sets.clone()
        } else {
            told
        }
    }

    /// Encodes a picture given as planes without gaps.
    pub fn send(&mut self, pts: i64, planes: &[Vec<u8>; 3]) -> Result<(), Error> {
        let (width, height) = (self.shape.width as usize, self.shape.height as usize);
        let mut picture = frame::Video::new(self.format, self.shape.width, self.shape.height);
        copy(&mut picture, 0, &planes[0], width, height);
        if self.format == Pixel::NV12 {
            let mut both = Vec::with_capacity(width * height / 2);
            for (u, v) in planes[1].iter().zip(&planes[2]) {
                both.extend_from_slice(&[*u, *v]);
            }
            copy(&mut picture, 1, &both, width, height / 2);
        } else {
            copy(&mut picture, 1, &planes[1], width / 2, height / 2);
            copy(&mut picture, 2, &planes[2], width / 2, height / 2);
        }
        picture.set_pts(Some(pts));
        match &self.surfaces {
            Some(surfaces) => {
                let surface = surfaces.upload(&picture)?;
                self.encoder.send_frame(&surface)
            }
            None => self.encoder.send_frame(&picture),
        }
    }

    pub fn send_end(&mut self) -> Result<(), Error> {
        self.encoder.send_eof()
    }

    /// The next picture's packet with its time, if there is one by now.
    pub fn receive(&mut self) -> Result<Option<(i64, Vec<u8>)>, Error> {
        loop {
            let mut packet = Packet::empty();
            match self.encoder.receive_packet(&mut packet) {
                Ok(()) => {}
                Err(error) if error == again() || error == Error::Eof => return Ok(None),
                Err(error) => return Err(error),
            }
            let bytes = packet.data().unwrap_or_default().to_vec();
            // V4L2 drivers are asked by ffmpeg for the parameter sets in a packet of their own.
            if h264::no_picture(&bytes) {
                self.sets = h264::parameter_sets(&bytes);
                continue;
            }
            return Ok(Some((packet.pts().unwrap_or(i64::MIN), bytes)));
        }
    }
}

fn copy(picture: &mut frame::Video, plane: usize, from: &[u8], width: usize, height: usize) {
    let stride = picture.stride(plane);
    let data = picture.data_mut(plane);
    for (to, row) in data
        .chunks_mut(stride)
        .zip(from.chunks_exact(width))
        .take(height)
    {
        to[..width].copy_from_slice(row);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_nodes_of_encoders_are_candidates_graphics_first() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(candidates(root.path()), []);
        let dri = root.path().join("dev/dri");
        fs::create_dir_all(&dri).unwrap();
        for name in [
            "dri/card0",
            "dri/renderD129",
            "dri/renderD128",
            "video",
            "video0",
            "videoX",
        ] {
            fs::write(root.path().join("dev").join(name), b"").unwrap();
        }
        let found = candidates(root.path());
        let told: Vec<(&str, &str, bool)> = found
            .iter()
            .map(|c| {
                let node = c.node.file_name().unwrap().to_str().unwrap();
                (c.kind.name(), node, c.low_power)
            })
            .collect();
        assert_eq!(
            told,
            [
                ("h264_vaapi", "renderD128", false),
                ("h264_vaapi", "renderD128", true),
                ("h264_vaapi", "renderD129", false),
                ("h264_vaapi", "renderD129", true),
                ("h264_v4l2m2m", "video*", false),
                ("h264_v4l2m2m", "video*", false),
            ]
        );
    }

    #[test]
    fn numbers_stand_for_the_encoders_that_there_are() {
        for kind in [Kind::Vaapi, Kind::V4l2, Kind::StandIn] {
            assert_eq!(Kind::of(kind.number()), Some(kind));
        }
        assert_eq!(Kind::of(0), None);
    }
}
