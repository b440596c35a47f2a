use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;
use roff::{Roff, bold, roman};

use super::{Cli, Outcome};
use crate::durable;
use crate::model::codes;
use crate::web;

/// Writes man pages, shell completions, the list of problem codes and the hashes of the watching page, all made from this program.
#[derive(clap::Args)]
pub struct Args {
    /// A folder, which is created if needed; it gets man/, completions/, codes.md and page-files.md
    dir: PathBuf,
}

pub fn run(args: Args) -> anyhow::Result<Outcome> {
    let man = args.dir.join("man");
    let completions = args.dir.join("completions");
    for dir in [&man, &completions] {
        durable::create_dir(dir)?;
    }
    let command = Cli::command();
    clap_mangen::generate_to(command, &man).with_context(|| cannot(&man))?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut Cli::command(), "camdock", &completions)
            .with_context(|| cannot(&completions))?;
    }
    durable::write_unsynced(&man.join("camdock-codes.7"), codes_page().as_bytes())?;
    durable::write_unsynced(&args.dir.join("codes.md"), codes_document().as_bytes())?;
    durable::write_unsynced(&args.dir.join("page-files.md"), page_files().as_bytes())?;
    Ok(Outcome::Fine)
}

fn cannot(dir: &Path) -> String {
    format!("cannot write to {}", dir.display())
}

/// `docs/page-files.md`.
fn page_files() -> String {
    let mut text = String::from(
        "<!-- Made by `camdock generate`; a test compares the two. -->\n# Files of the watching page\n\n\
        A private key is in this page while somebody watches. The office of this version serves these files, and no other script or style is \
        allowed in the page. To compare, with the token of an evidence manager: `curl -s -H \"authorization: Bearer TOKEN\" ADDRESS | sha256sum`. \
        A server that was taken over can answer `curl` with these files and a browser with others.\n\n| address | SHA-256 |\n|---|---|\n",
    );
    for (address, digest) in web::watch_files() {
        let _ = writeln!(text, "| `{address}` | `{digest}` |");
    }
    text
}

const WHERE_CODES_STAND: &str = "Every problem has a stable code. It stands in the log (`code`), on the pages, in `camdock status`, \
    and as the label of the metric `camdock_errors_total`. `camdock explain CODE` prints what stands here.";

/// `docs/codes.md`.
fn codes_document() -> String {
    let mut text = format!(
        "<!-- Made by `camdock generate` from src/model/codes; a test compares the two. -->\n# Problem codes\n\n{WHERE_CODES_STAND}\n"
    );
    for topic in codes::TOPICS {
        let _ = write!(
            text,
            "\n## {}\n\n| code | concerns | what it means | what to do |\n|---|---|---|---|\n",
            topic.title
        );
        for code in topic.codes {
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} |",
                code.code, code.concerns, code.meaning, code.next_step
            );
        }
    }
    text
}

/// The man page camdock-codes(7).
fn codes_page() -> String {
    let plain = |text: &str| roman(text.replace('`', ""));
    let version = concat!("camdock ", env!("CARGO_PKG_VERSION"));
    let mut page = Roff::new();
    page.control("TH", ["camdock-codes", "7", "", version])
        .control("SH", ["NAME"])
        .text([roman("camdock-codes - problem codes of CamDock")])
        .control("SH", ["DESCRIPTION"])
        .text([plain(WHERE_CODES_STAND)]);
    for topic in codes::TOPICS {
        page.control("SH", [topic.title.to_uppercase().as_str()]);
        for code in topic.codes {
            page.control("TP", [])
                .text([bold(code.code), roman(format!(" ({})", code.concerns))])
                .text([plain(code.meaning)])
                .control("br", [])
                .text([plain(code.next_step)]);
        }
    }
    page.control("SH", ["SEE ALSO"])
        .text([bold("camdock-explain"), roman("(1)")]);
    page.render()
}
