use std::fs;

use crate::driver::Browser;
use crate::footage::ffmpeg;
use crate::place;
use crate::place::age;

#[test]
fn browser_a_preview_plays_at_once_and_to_its_end() {
    let place = place(&[
        ("preview", "enabled = true"),
        ("preview", "video = \"always\""),
    ]);
    let film = place.path("film.mp4");
    ffmpeg(&format!(
        "-f lavfi -i testsrc2=s=1280x720:r=25:d=8 -f lavfi -i sine=r=48000:d=8 -c:v libx264 -preset ultrafast -g 50 \
         -c:a aac {}",
        film.display()
    ));
    let originals = ["original.mp4", "original.mkv", "original.ts"];
    for name in originals {
        let (from, to) = (film.display(), place.path(name));
        ffmpeg(&format!("-i {from} -c copy {}", to.display()));
    }
    age(&fs::File::options().write(true).open(&film).unwrap());
    fs::rename(&film, place.camera("X0000001").join("A.MP4")).unwrap();
    place.drain().ends(0);
    let item = place.item("A.MP4");
    let open = |part: &str, name: &str| {
        let (key, out) = (place.path("keys/one.key.pem"), place.path(name));
        let words = [
            "--key",
            key.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
        ];
        let evidence = item["evidence"].as_str().unwrap();
        place
            .camdock_viewing(&[&["open", evidence, "--part", part][..], &words].concat())
            .ends(0);
    };
    open("preview", "preview.mp4");
    open("storyboard", "sheet.jpg");
    let page = place.path("page.html");
    fs::write(
        &page,
        "<!doctype html><title>preview</title><video src=preview.mp4 muted controls></video><img src=sheet.jpg>",
    )
    .unwrap();

    let browser = Browser::start(1280, 800);
    browser.open(&format!("file://{}", page.display()));
    browser.until(
        "the browser knows the video",
        "document.querySelector('video').readyState >= 2",
    );
    let of = |what: &str| {
        let told = browser.js(&format!("return document.querySelector('video').{what}"));
        told.as_f64().unwrap_or_else(|| panic!("{what}: {told}"))
    };
    assert_eq!((of("videoWidth"), of("videoHeight")), (640.0, 360.0));
    assert!((of("duration") - 8.0).abs() < 0.1, "{}", of("duration"));
    assert!(of("currentTime") < 0.01);
    browser.js("document.querySelector('video').play()");
    browser.until(
        "it plays",
        "document.querySelector('video').currentTime > 1",
    );
    assert_eq!(
        browser.js("return document.querySelector('video').error"),
        serde_json::Value::Null
    );
    browser.shot("preview-plays");
    // Jumping works, too, and it comes to its end.
    browser.js("document.querySelector('video').currentTime = 7");
    browser.until("its end", "document.querySelector('video').ended");
    assert!((of("currentTime") - of("duration")).abs() < 0.1);
    let decoded = of("getVideoPlaybackQuality().totalVideoFrames");
    assert!(decoded > 20.0, "{decoded} pictures were shown");
    assert!(
        browser
            .js("return document.querySelector('img').naturalWidth > 200")
            .as_bool()
            .unwrap()
    );

    // What `src/preview/playable.rs` says of originals is so: no video is made of those that play.
    let videos = originals.map(|name| format!("<video src={name} muted></video>"));
    let text = format!("<!doctype html><title>originals</title>{}", videos.concat());
    fs::write(&page, text).unwrap();
    browser.open(&format!("file://{}", page.display()));
    let plays = "[...document.querySelectorAll('video')].map(v => v.error ? false : v.readyState >= 2 ? true : null)";
    browser.until(
        "the browser knows what it plays",
        &format!("!{plays}.includes(null)"),
    );
    let plays = browser.js(&format!("return {plays}"));
    assert_eq!(plays, serde_json::json!([true, true, false]));
}
