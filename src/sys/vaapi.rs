#![allow(unsafe_code)]

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr;

use ffmpeg_next::{Error, codec, ffi, frame};

/// Pictures that may be on their way through the device at a time.
const SURFACES: libc::c_int = 20;

/// A reference that ffmpeg counts; given back when dropped.
struct Reference(*mut ffi::AVBufferRef);

impl Drop for Reference {
    fn drop(&mut self) {
        // SAFETY: the reference is owned by this value alone; null is allowed, and null is what is left of it.
        unsafe { ffi::av_buffer_unref(&raw mut self.0) };
    }
}

fn checked(code: libc::c_int) -> Result<(), Error> {
    if code < 0 {
        return Err(Error::from(code));
    }
    Ok(())
}

/// A graphics device opened for VA-API, its driver loaded.
pub struct VaapiDevice(Reference);

impl VaapiDevice {
    pub fn open(node: &Path) -> Result<Self, Error> {
        let name = CString::new(node.as_os_str().as_bytes()).map_err(|_| Error::InvalidData)?;
        let mut device = ptr::null_mut();
        // SAFETY: `device` is a live place for the new reference, which is written on success only; the name ends with a
        // zero byte and is read during the call only; there are no options.
        checked(unsafe {
            ffi::av_hwdevice_ctx_create(
                &raw mut device,
                ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_VAAPI,
                name.as_ptr(),
                ptr::null_mut(),
                0,
            )
        })?;
        Ok(Self(Reference(device)))
    }
}

/// Pictures of one size in the device's memory, filled from NV12.
pub struct VaapiSurfaces(Reference);

impl VaapiSurfaces {
    pub fn new(device: &VaapiDevice, width: u32, height: u32) -> Result<Self, Error> {
        let side = |length| libc::c_int::try_from(length).map_err(|_| Error::InvalidData);
        let (width, height) = (side(width)?, side(height)?);
        // SAFETY: the device's reference is live; the call takes a reference of its own to it.
        let frames = Reference(unsafe { ffi::av_hwframe_ctx_alloc(device.0.0) });
        if frames.0.is_null() {
            return Err(Error::Other {
                errno: libc::ENOMEM,
            });
        }
        #[allow(
            clippy::cast_ptr_alignment,
            reason = "ffmpeg allocates it as what it is cast to"
        )]
        // SAFETY: the reference is live and, as documented, its data is an `AVHWFramesContext`, whose plain fields below
        // are the caller's to set until it is initialised.
        checked(unsafe {
            let context = (*frames.0).data.cast::<ffi::AVHWFramesContext>();
            (*context).format = ffi::AVPixelFormat::AV_PIX_FMT_VAAPI;
            (*context).sw_format = ffi::AVPixelFormat::AV_PIX_FMT_NV12;
            (*context).width = width;
            (*context).height = height;
            (*context).initial_pool_size = SURFACES;
            ffi::av_hwframe_ctx_init(frames.0)
        })?;
        Ok(Self(frames))
    }

    /// To be called before the encoder is opened: it then takes its pictures from here.
    pub fn give_to(&self, encoder: &mut codec::Context) -> Result<(), Error> {
        // SAFETY: both are live; the new reference is the encoder's, which gives it back when it is freed. The field is
        // null before: the encoder is not open and nobody else sets it.
        unsafe {
            let reference = ffi::av_buffer_ref(self.0.0);
            if reference.is_null() {
                return Err(Error::Other {
                    errno: libc::ENOMEM,
                });
            }
            (*encoder.as_mut_ptr()).hw_frames_ctx = reference;
        }
        Ok(())
    }

    /// Copies a picture in NV12, of these surfaces' size, into the device.
    pub fn upload(&self, picture: &frame::Video) -> Result<frame::Video, Error> {
        let mut surface = frame::Video::empty();
        // SAFETY: all three are live; ffmpeg compares formats and sizes itself, and the surface keeps what it refers to.
        unsafe {
            checked(ffi::av_hwframe_get_buffer(
                self.0.0,
                surface.as_mut_ptr(),
                0,
            ))?;
            checked(ffi::av_hwframe_transfer_data(
                surface.as_mut_ptr(),
                picture.as_ptr(),
                0,
            ))?;
        }
        surface.set_pts(picture.pts());
        Ok(surface)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_graphics_device_is_refused() {
        for node in ["/dev/null", "/nonexistent/renderD128", "/dev/\0"] {
            assert!(VaapiDevice::open(Path::new(node)).is_err(), "{node:?}");
        }
    }
}
