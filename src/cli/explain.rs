use std::io::Write as _;

use super::{Outcome, usage};
use crate::model::codes::{self, Code};

/// Explains a problem code: what it means, whom it concerns and what to do. Without a code it lists all of them.
#[derive(clap::Args)]
#[command(after_help = "\
  camdock explain store_unreachable    one code
  camdock explain                      every code, by topic
Codes stand in the log (`code`), on the pages, in `camdock status`, and in the metric camdock_errors_total.
They are stable: alert rules and scripts may name them. camdock-codes(7) has the same list.")]
pub struct Args {
    /// A code such as store_unreachable
    code: Option<String>,
    /// One JSON object for a code, one a line for all of them
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let mut out = std::io::stdout().lock();
    if let Some(given) = &args.code {
        let code = codes::find(given).ok_or_else(|| {
            let nearest = codes::nearest(given).code;
            usage(format!(
                "there is no problem code {given:?}; the nearest is {nearest}. `camdock explain` lists all codes"
            ))
        })?;
        return show(&mut out, code, args.json).map(|()| Outcome::Fine);
    }
    for topic in codes::TOPICS {
        if !args.json {
            writeln!(out, "{}\n", topic.title.to_uppercase())?;
        }
        for code in topic.codes {
            show(&mut out, code, args.json)?;
            if !args.json {
                writeln!(out)?;
            }
        }
    }
    Ok(Outcome::Fine)
}

fn show(out: &mut impl std::io::Write, code: &Code, json: bool) -> anyhow::Result<()> {
    if json {
        serde_json::to_writer(&mut *out, code)?;
        writeln!(out)?;
    } else {
        writeln!(out, "{} (concerns: {})", code.code, code.concerns)?;
        writeln!(out, "  {}\n  next: {}", code.meaning, code.next_step)?;
    }
    Ok(())
}
