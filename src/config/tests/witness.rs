use super::*;

#[test]
fn witnesses_are_read_with_their_policy_and_nothing_waits_without_them() {
    let dir = ConfigDir::new();
    assert!(dir.with("witness", "").unwrap().config.witness.is_none());
    let text = "witness a KEY\nquorum a\n";
    dir.write("policy", text);
    let named = "policy_file = \"policy\"\nbefore_safe = true\nanswer_seconds = 7";
    let witness = dir.with("witness", named).unwrap().config.witness.unwrap();
    // The audit room parses it.
    assert_eq!(witness.policy, text);
    assert!(witness.before_safe && witness.policy_file == dir.at("policy"));
    assert_eq!(witness.answer, Duration::from_secs(7));
    assert_eq!(witness.every, Duration::from_secs(2));
}

#[test]
fn a_witness_section_that_cannot_work_is_refused_with_its_line() {
    let dir = ConfigDir::new();
    dir.write("binary", [0xff; 9]);
    dir.write("long", vec![b'#'; 70_000]);
    for (given, says) in [
        ("before_safe = true", "there are none"),
        ("policy_file = \"absent\"", "which cannot be read"),
        ("policy_file = \"binary\"", "which cannot be read"),
        ("policy_file = \"long\"", "which cannot be read"),
        ("every_seconds = 0.0", "is out of range"),
        ("answer_seconds = 0", "is out of range"),
        ("answer_seconds = 301", "is out of range"),
    ] {
        let error = dir.with("witness", given).unwrap_err();
        let line = line_of(&good("witness", given), given);
        assert!(error.to_string().contains(says), "{given}: {error}");
        assert!(
            error.to_string().contains(&format!(":{line}:")),
            "{given}: {error}"
        );
        assert!(error.next_step().ends_with('.'), "{}", error.next_step());
    }
    // Who only reads the store needs no witness.
    let path = dir.write("camdock.toml", good("witness", "policy_file = \"absent\""));
    assert!(Config::load_to_read(&path).unwrap().witness.is_none());
}
