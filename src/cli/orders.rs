//! Orders to a running station or office, which alone writes its log.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Outcome;
use crate::config::Config;
use crate::model::EvidenceId;
use crate::station::{CommandReply, OperatorCommand, Order};

// Not a doc comment: clap would show it as the help of each verb that takes these arguments.
#[derive(clap::Args)]
pub struct OrderSignature {
    /// Your name, for the custody log
    #[arg(long, value_name = "NAME")]
    pub operator: String,
    /// Why, for the custody log
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

const NO_STATION: &str = "no station takes commands at {}; it must be running, and you must be root or in the group camdock";

/// Asks a running service: a line of JSON there, one back. `absent` is said when there is none; `{}` stands for the path.
pub fn ask<A: DeserializeOwned>(
    path: &Path,
    request: &impl Serialize,
    absent: &str,
) -> anyhow::Result<A> {
    let mut stream = UnixStream::connect(path)
        .with_context(|| absent.replace("{}", &path.display().to_string()))?;
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut reply = String::new();
    BufReader::new(stream)
        .read_line(&mut reply)
        .context("the service did not answer; its log says whether the order was carried out")?;
    serde_json::from_str(&reply).context("the service speaks another version")
}

/// Sends the order and prints what the station did.
pub fn send(
    config: &Config,
    order: Order,
    evidence: Vec<EvidenceId>,
    signature: OrderSignature,
) -> anyhow::Result<Outcome> {
    let path = config.files.command_socket();
    let request = OperatorCommand {
        order,
        evidence,
        operator: signature.operator,
        reason: signature.reason,
    };
    let answer: CommandReply = ask(&path, &request, NO_STATION)?;
    for id in &answer.done {
        println!("done     {id}");
    }
    for gap in &answer.accepted {
        println!("accepted {gap}");
    }
    for (id, reason) in &answer.refused {
        let id = id.map_or_else(|| "all".to_owned(), |id| id.to_string());
        println!("refused  {id}: {reason}");
    }
    Ok(if answer.refused.is_empty() {
        Outcome::Fine
    } else {
        Outcome::NeedsAttention
    })
}
