//! Pictures whose orientation is in the video itself, or whose shape changes while it runs.

use std::fs;

use camdock::model::{Part, Remark, RemarkCode};

use crate::stage::Stage;

const X264: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 30";

/// A white square in the middle of a black picture.
fn square(size: &str) -> String {
    format!("-f lavfi -i color=black:s={size}:r=15:d=6,drawbox=iw/2-60:ih/2-60:120:120:white:fill")
}

/// Width and height of what is white.
fn white(width: usize, grey: &[u8]) -> (usize, usize) {
    let places: Vec<_> = (0..grey.len()).filter(|at| grey[*at] > 180).collect();
    let columns = places.iter().map(|at| at % width);
    let rows = places.iter().map(|at| at / width);
    let span = |least: Option<usize>, most: Option<usize>| most.unwrap() - least.unwrap() + 1;
    (
        span(columns.clone().min(), columns.max()),
        span(rows.clone().min(), rows.max()),
    )
}

/// The picture between the labels at the top and the bottom.
fn middle(width: usize, grey: &[u8]) -> &[u8] {
    let height = grey.len() / width;
    &grey[height / 6 * width..height * 5 / 6 * width]
}

#[test]
fn a_shape_that_changes_is_not_stretched() {
    let stage = Stage::new();
    let part = |name: &str, size: &str| {
        fs::read(stage.film(name, &format!("{} {X264} -f h264", square(size)))).unwrap()
    };
    let both = [part("a.264", "640x360"), part("b.264", "360x480")].concat();
    fs::write(stage.path("both.264"), both).unwrap();
    let from = stage.path("both.264");
    let args = format!("-fflags +genpts -r 15 -i {} -c copy", from.display());
    let bytes = fs::read(stage.film("both.ts", &args)).unwrap();
    let (_, made, mp4) = stage.made(Part::Preview, &bytes);
    assert_eq!(
        made.picture.remarks,
        [Remark::new(RemarkCode::ShapeChanges, 1)]
    );
    for at in [2.0, 9.0] {
        let (width, grey) = stage.grey(&mp4, at);
        let (wide, high) = white(width, middle(width, &grey));
        assert!(
            wide.abs_diff(high) <= 4 && wide > 40,
            "at {at} s: {wide} × {high}"
        );
    }
    let (_, made, jpeg) = stage.made(Part::Storyboard, &bytes);
    fs::write(stage.path("sheet.jpg"), &jpeg).unwrap();
    let (width, grey) = stage.grey(&jpeg, 0.0);
    let last = made.picture.cues.last().unwrap();
    let (x, y) = (last.x as usize, last.y as usize);
    let rows =
        (y..y + last.height as usize).map(|row| &grey[row * width + x..][..last.width as usize]);
    let cell: Vec<u8> = rows.flatten().copied().collect();
    let (wide, high) = white(last.width as usize, middle(last.width as usize, &cell));
    assert!(wide.abs_diff(high) <= 4 && wide > 15, "{wide} × {high}");
}

#[test]
fn an_orientation_in_the_video_itself_counts() {
    let stage = Stage::new();
    for (rotate, quarter) in [(90, true), (180, false), (270, true)] {
        let bar = "color=black:s=480x270:r=15:d=4,drawbox=40:60:200:60:white:fill";
        let message = format!("-bsf:v h264_metadata=display_orientation=insert:rotate={rotate}");
        let film = stage.film("a.ts", &format!("-f lavfi -i {bar} {X264} {message}"));
        let bytes = fs::read(film).unwrap();
        let (_, made, mp4) = stage.made(Part::Preview, &bytes);
        let size = (made.picture.width, made.picture.height);
        assert_eq!(size.0 < size.1, quarter, "{rotate}: {size:?}");
        assert_eq!(made.picture.remarks, []);
        let expected = stage.like_ffmpeg("a.ts", 0.0, size);
        // Its first picture, which has the message, and one that has none.
        for at in [0.0, 1.0] {
            let (width, grey) = stage.grey(&mp4, at);
            let (ours, theirs) = (middle(width, &grey), middle(width, &expected));
            let far = ours
                .iter()
                .zip(theirs)
                .filter(|(a, b)| a.abs_diff(**b) > 60)
                .count();
            assert!(
                far * 50 < ours.len(),
                "{rotate} at {at} s: {far} of {} differ",
                ours.len()
            );
        }
        let (_, made, _) = stage.made(Part::Storyboard, &bytes);
        let cue = made.picture.cues[0];
        assert_eq!(cue.width < cue.height, quarter, "{rotate}: {cue:?}");
    }
}
