use crate::model::{IndexState, ItemPreviewed, Part, PreviewOutcome, Probe, Remark};

/// A preview in plain words; every text from the footage is escaped.
pub fn previewed(entry: &ItemPreviewed) -> String {
    let what = match entry.part {
        Part::Storyboard => "storyboard",
        _ => "preview video",
    };
    let mut text = match &entry.outcome {
        PreviewOutcome::Made(made) => {
            let picture = &made.picture;
            let settings: Vec<String> = picture
                .settings
                .iter()
                .map(|(key, value)| format!("{}: {}", key.escape_debug(), value.escape_debug()))
                .collect();
            let mut text = format!(
                "A {what} was made from the sealed footage, sealed again and stored as {} ({} × {} pixels, {} bytes).\n    \
                 Its SHA-256 is {}.\n    It was made with {}.",
                made.key,
                picture.width,
                picture.height,
                made.size,
                made.sha256,
                settings.join(", ")
            );
            if picture.decode_errors > 0 {
                text.push_str(&format!(
                    "\n    The footage is damaged in places: the decoder continued after {} errors.",
                    picture.decode_errors
                ));
            }
            if picture.clock_jumps > 0 {
                text.push_str(&format!(
                    "\n    The recording's clock jumps (found {} times); the times shown are corrected.",
                    picture.clock_jumps
                ));
            }
            if picture.left_out_ms > 0 {
                text.push_str(&format!(
                    "\n    Gaps of {} s altogether were left out.",
                    picture.left_out_ms / 1000
                ));
            }
            remark(&mut text, &picture.remarks);
            text
        }
        PreviewOutcome::Failed { code, reason } => format!(
            "No {what} could be made ({}): {}.",
            code.escape_debug(),
            reason.escape_debug()
        ),
        PreviewOutcome::Skipped { code, reason } => {
            let code = code
                .as_ref()
                .map(|code| format!(" ({})", code.escape_debug()));
            format!(
                "No {what} was made{}: {}.",
                code.unwrap_or_default(),
                reason.escape_debug()
            )
        }
    };
    if let (Some(probe), Part::Storyboard) = (&entry.probe, entry.part) {
        remark(&mut text, &probe.remarks);
        text.push_str(&format!("\n    {}", probed(probe)));
    }
    if let Some(version) = &entry.ffmpeg {
        text.push_str(&format!(
            "\n    Read with ffmpeg {}.",
            version.escape_debug()
        ));
    }
    text
}

fn remark(text: &mut String, remarks: &[Remark]) {
    for remark in remarks {
        text.push_str(&format!("\n    {remark}."));
    }
}

fn probed(probe: &Probe) -> String {
    let mut facts = vec![format!("container {}", probe.container.escape_debug())];
    if let Some(ms) = probe.duration_ms {
        facts.push(format!("{}.{:03} s", ms / 1000, ms % 1000));
    }
    if let Some(video) = &probe.video {
        facts.push(format!(
            "{} {} × {} at {} frames a second",
            video.codec.escape_debug(),
            video.width,
            video.height,
            video.frame_rate.escape_debug()
        ));
        if video.rotation != 0 {
            facts.push(format!("turned by {} degrees", video.rotation));
        }
        if let Some(keys) = video.key_frames {
            facts.push(format!("{keys} key frames"));
        }
    }
    for audio in &probe.audio {
        facts.push(format!(
            "sound {} at {} Hz, {} channels",
            audio.codec.escape_debug(),
            audio.rate,
            audio.channels
        ));
    }
    match probe.index {
        IndexState::Missing => facts.push("its index is missing".into()),
        IndexState::AtStart | IndexState::AtEnd | IndexState::Fragmented | IndexState::NotUsed => {}
    }
    if let Some(created) = probe.created {
        facts.push(format!("recorded {created} by its own account"));
    }
    if let Some(location) = &probe.location {
        facts.push(format!("at {}", location.escape_debug()));
    }
    for track in &probe.other_tracks {
        facts.push(format!("track {}", track.escape_debug()));
    }
    for (key, value) in &probe.tags {
        facts.push(format!("{} = {}", key.escape_debug(), value.escape_debug()));
    }
    format!("The file says of itself: {}.", facts.join("; "))
}
