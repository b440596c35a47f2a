//! Wakes the scan of sysfs on libusb's hotplug events. Uses them for nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusb::{Context, Device, Hotplug, HotplugBuilder, UsbContext as _};

/// The longest time that one round of event handling may sleep; a stop interrupts it.
const ROUND: Duration = Duration::from_secs(5);
const SLOWER: &str = "nothing is missed, only found later; restart the service to try again";

/// The thread that handles the events. Without it the slow scan finds everything, only later.
pub struct HotplugListener {
    context: Context,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Wake(SyncSender<()>);

impl Hotplug<Context> for Wake {
    // These run inside libusb's event handling and must do nothing else.
    fn device_arrived(&mut self, _: Device<Context>) {
        let _ = self.0.try_send(());
    }

    fn device_left(&mut self, _: Device<Context>) {
        let _ = self.0.try_send(());
    }
}

impl HotplugListener {
    /// `None` where this machine has no libusb hotplug; the reason is logged.
    pub fn start(wake: SyncSender<()>) -> Option<Self> {
        let warn = |error: &dyn std::fmt::Display| {
            tracing::warn!(code = "watch_missing", %error, next_step = SLOWER, "no hotplug events; USB cameras are found by the slow scan only");
        };
        if !rusb::has_hotplug() {
            warn(&"this libusb has none");
            return None;
        }
        let context = Context::new().inspect_err(|e| warn(e)).ok()?;
        // Registered before the events are handled, dropped by the thread after the last of them.
        let registration = HotplugBuilder::new()
            .register(&context, Box::new(Wake(wake)))
            .inspect_err(|e| warn(e))
            .ok()?;
        let stopping = Arc::new(AtomicBool::new(false));
        let (events, stop) = (context.clone(), Arc::clone(&stopping));
        let thread = thread::Builder::new()
            .name("dock-usb-hints".into())
            .spawn(move || {
                while !stop.load(Ordering::Acquire) {
                    if let Err(error) = events.handle_events(Some(ROUND))
                        && error != rusb::Error::Interrupted
                    {
                        tracing::warn!(code = "watch_missing", %error, next_step = SLOWER, "hotplug events ended; USB cameras are found by the slow scan only");
                        break;
                    }
                }
                drop(registration);
            })
            .inspect_err(|e| warn(e))
            .ok()?;
        Some(Self {
            context,
            stopping,
            thread: Some(thread),
        })
    }

    /// Ends and joins the thread.
    pub fn stop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        self.context.interrupt_handle_events();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(
                code = "part_crashed",
                next_step = "report this with the log lines before it",
                "the thread of hotplug events panicked"
            );
        }
    }
}

impl Drop for HotplugListener {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_starts_and_stops_at_once_on_any_machine() {
        let (wake, _woken) = std::sync::mpsc::sync_channel(1);
        let began = std::time::Instant::now();
        // A machine without USB or netlink has no hotplug events.
        if let Some(mut hints) = HotplugListener::start(wake) {
            thread::sleep(Duration::from_millis(50));
            hints.stop();
            hints.stop();
        }
        assert!(
            began.elapsed() < Duration::from_secs(3),
            "{:?}",
            began.elapsed()
        );
    }
}
