use std::sync::atomic::{AtomicU32, Ordering};

use crate::ingest::IngestError;
use crate::preview::{
    EncoderOrder, Ending, Made, Report, SOFTWARE, again_in_software, hardware_present,
};

/// So many proxies in a row for which hardware was tried in vain, and it is left alone until the next start.
const IN_VAIN_MAX: u32 = 3;

/// Whether hardware encoders are worth a try.
pub(super) struct HardwareUse {
    order: Option<EncoderOrder>,
    in_vain: AtomicU32,
}

impl HardwareUse {
    pub(super) fn new(order: Option<EncoderOrder>) -> Self {
        Self {
            order,
            in_vain: AtomicU32::new(0),
        }
    }

    /// What an encoder process is told; `None`: it is not worth a try.
    pub(super) fn order(&self) -> Option<EncoderOrder> {
        let order = self.hopeful()?;
        (order.stand_in || hardware_present()).then(|| order.clone())
    }

    fn hopeful(&self) -> Option<&EncoderOrder> {
        let order = self.order.as_ref();
        order.filter(|_| self.in_vain.load(Ordering::Relaxed) < IN_VAIN_MAX)
    }

    /// Learns from a worker that had an encoder process beside it.
    pub(super) fn ended(&self, done: &Result<Report, IngestError>) {
        let worked = match done {
            Ok(report) => match &report.ending {
                Ending::Made(made) => used(made),
                failed => match again_in_software(Ok(failed)) {
                    Some(_) => false,
                    // Of the footage, not of the encoder.
                    None => return,
                },
            },
            Err(IngestError::Preview(error)) if again_in_software(Err(error)).is_some() => false,
            Err(_) => return,
        };
        if worked {
            self.in_vain.store(0, Ordering::Relaxed);
            return;
        }
        let in_vain = self.in_vain.fetch_add(1, Ordering::Relaxed) + 1;
        if in_vain == IN_VAIN_MAX {
            tracing::info!(
                in_vain,
                "hardware encoders do not work here; previews are made in software until the next start"
            );
        }
    }
}

fn used(made: &Made) -> bool {
    let encoder = made.picture.settings.get("encoder");
    encoder.is_some_and(|encoder| encoder != SOFTWARE)
}

#[cfg(test)]
mod tests {
    use crate::model::{Picture, Sha256Digest};
    use crate::preview::{Cost, Limits, PreviewError};

    use super::*;

    fn report(ending: Ending) -> Report {
        Report {
            ffmpeg: "1".into(),
            probe: None,
            ending,
            cost: Cost::default(),
        }
    }

    fn made(encoder: &str) -> Report {
        report(Ending::Made(Made {
            sha256: Sha256Digest::of(b""),
            size: 1,
            sealed_size: 2,
            picture: Picture {
                width: 640,
                height: 360,
                duration_ms: 1,
                settings: [("encoder".to_owned(), encoder.to_owned())].into(),
                decode_errors: 0,
                cues: Vec::new(),
            },
        }))
    }

    fn failed(code: &str) -> Report {
        let (code, reason) = (code.to_owned(), "why".to_owned());
        report(Ending::Failed { code, reason })
    }

    #[test]
    fn hardware_is_left_alone_after_three_tries_in_vain_in_a_row() {
        let hardware = HardwareUse::new(Some(EncoderOrder {
            limits: Limits {
                memory_bytes: 1,
                cpu_seconds: 1,
                output_bytes: 1,
                silence_seconds: 1,
            },
            stand_in: true,
            drill: None,
        }));
        for _ in 0..2 {
            hardware.ended(&Ok(made(SOFTWARE)));
            hardware.ended(&Ok(failed("preview_encoder")));
            assert!(hardware.order().is_some());
            hardware.ended(&Ok(made("h264_vaapi")));
        }
        hardware.ended(&Err(PreviewError::Crashed("signal 11".into()).into()));
        // These say nothing of it.
        hardware.ended(&Ok(failed("preview_unreadable")));
        hardware.ended(&Err(PreviewError::Stopped.into()));
        hardware.ended(&Ok(made(SOFTWARE)));
        assert!(hardware.order().is_some());
        hardware.ended(&Ok(failed("preview_encoder")));
        assert!(hardware.order().is_none());
        assert!(HardwareUse::new(None).order().is_none());
    }
}
