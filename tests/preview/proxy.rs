use camdock::model::Part;

use crate::footage::clip;
use crate::stage::Stage;

#[test]
fn a_real_clip_becomes_a_small_video_that_players_take() {
    let stage = Stage::new();
    let (answer, made, mp4) = stage.made(Part::Preview, &clip("bigbuckbunny.mp4"));
    let shown = stage.ffprobe("preview.mp4", &mp4);
    eprintln!("{shown:#} {answer:#?}");
    let video = &shown["streams"][0];
    assert_eq!(video["codec_name"], "h264");
    assert_eq!(video["profile"], "Constrained Baseline");
    assert_eq!(
        (&video["width"], &video["height"]),
        (&640.into(), &360.into())
    );
    assert_eq!(shown["streams"][1]["codec_name"], "aac");
    assert_eq!(made.picture.height, 360);
}
