//! The command line's texts as data: help and typical mistakes. `TRYCMD=overwrite cargo test --test cmd` writes them anew.

#[test]
fn help_and_mistakes_say_what_the_data_files_say() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd");
}
