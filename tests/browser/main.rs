//! The pages in a real browser on the running service: what officers see.

#[path = "driver.rs"]
mod driver;
#[path = "../support/footage.rs"]
#[allow(dead_code, reason = "shared with the previews' tests")]
mod footage;
mod officer;
#[path = "../station/place.rs"]
#[allow(dead_code, reason = "shared with the station's tests")]
mod place;
mod playing;
#[path = "../support/mod.rs"]
mod support;
mod tagging;

use place::{Place, Running, Settings, until};

/// A station with pages on a free port.
fn place(more: Settings<'_>) -> Place {
    let place = Place::new(&[]);
    let mut settings = vec![("web", "listen = \"127.0.0.1:0\"")];
    settings.extend(more);
    place.configure(&settings);
    place
}

/// Where the running station's pages are.
fn url(running: &Running) -> String {
    let mut found = None;
    until("pages can be reached", || {
        let said = running.said();
        found = said.lines().find_map(|l| {
            l.split_once("pages can be reached url=\"")?
                .1
                .split('"')
                .next()
                .map(str::to_owned)
        });
        found.is_some()
    });
    found.unwrap()
}

/// A tile's condition for [`driver::Browser::until`].
fn tile(bay: &str, state: &str) -> String {
    format!("document.querySelector('[data-bay=\"{bay}\"][data-state=\"{state}\"]')")
}
