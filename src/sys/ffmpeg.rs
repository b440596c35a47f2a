#![allow(unsafe_code)]

use std::ffi::CStr;

use ffmpeg_next::format::context::Input;
use ffmpeg_next::{Discard, Error, Rational, ffi};

/// The version of the ffmpeg libraries that are loaded, such as `5.1.6-0+deb12u1`.
pub fn ffmpeg_version() -> String {
    // SAFETY: the function takes nothing and returns a string constant of the library, never null.
    let text = unsafe { CStr::from_ptr(ffi::av_version_info()) };
    text.to_string_lossy().into_owned()
}

/// The numbers of key frames and of all frames in a stream's index; `None` when the container has no index.
pub fn key_frames(input: &mut Input, stream: usize) -> Option<(u64, u64)> {
    // SAFETY: the context is alive while `input` is borrowed; it owns `nb_streams` valid stream pointers.
    unsafe {
        let context = input.as_mut_ptr();
        if stream >= (*context).nb_streams as usize {
            return None;
        }
        let stream = *(*context).streams.add(stream);
        let count = ffi::avformat_index_get_entries_count(stream);
        let (mut keys, mut all) = (0, 0);
        for at in 0..count {
            let entry = ffi::avformat_index_get_entry(stream, at);
            if let Some(entry) = entry.as_ref() {
                all += 1;
                keys += u64::from(entry.flags() & ffi::AVINDEX_KEYFRAME != 0);
            }
        }
        (all > 0).then_some((keys, all))
    }
}

/// Makes the demuxer skip packets of a stream, so that they are not even read.
pub fn discard(input: &mut Input, stream: usize, which: Discard) {
    // SAFETY: as in `key_frames`; `discard` is a plain field that the caller may set at any time.
    unsafe {
        let context = input.as_mut_ptr();
        if stream < (*context).nb_streams as usize {
            (**(*context).streams.add(stream)).discard = which.into();
        }
    }
}

/// Goes to the first byte of the file, for formats that cannot be searched by time.
pub fn rewind(input: &mut Input) -> Result<(), Error> {
    // SAFETY: the context is alive and borrowed exclusively; everything else is plain integers.
    let code = unsafe {
        ffi::avformat_seek_file(
            input.as_mut_ptr(),
            -1,
            i64::MIN,
            0,
            i64::MAX,
            ffi::AVSEEK_FLAG_BYTE,
        )
    };
    if code < 0 {
        return Err(Error::from(code));
    }
    Ok(())
}

/// The aspect of a stream's pixels as the container gives it, or else the codec; 0/1 when neither does.
pub fn pixel_aspect(input: &Input, stream: usize) -> Rational {
    // SAFETY: as in `key_frames`; the call only reads the context and the stream, and allows a null frame.
    unsafe {
        let context = input.as_ptr().cast_mut();
        if stream >= (*context).nb_streams as usize {
            return Rational(0, 1);
        }
        let stream = *(*context).streams.add(stream);
        let aspect = ffi::av_guess_sample_aspect_ratio(context, stream, std::ptr::null_mut());
        Rational::from(aspect)
    }
}

/// At most `most` tags of the file, or of one of its streams. The bytes come from a camera and need not be UTF-8.
pub fn tags(input: &Input, stream: Option<usize>, most: usize) -> Vec<(String, String)> {
    let mut found = Vec::new();
    // SAFETY: as in `key_frames`; an entry's key and value are strings that live as long as the unchanged dictionary.
    unsafe {
        let context = input.as_ptr();
        let dictionary = match stream {
            None => (*context).metadata,
            Some(index) if index < (*context).nb_streams as usize => {
                (**(*context).streams.add(index)).metadata
            }
            Some(_) => return found,
        };
        let mut entry = std::ptr::null();
        while found.len() < most {
            entry = ffi::av_dict_get(dictionary, c"".as_ptr(), entry, ffi::AV_DICT_IGNORE_SUFFIX);
            let Some(tag) = entry.as_ref() else {
                break;
            };
            let text = |at| CStr::from_ptr(at).to_string_lossy().into_owned();
            found.push((text(tag.key), text(tag.value)));
        }
    }
    found
}
