//! Orders about shares, as the command socket is given them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::OfficeError;
use super::commands::OfficeReply;
use super::shares::Shares;
use crate::model::{Explain as _, ShareId, check_signature};
use crate::web::{EndShareOrder, ItemToShare, Reach, ShareOrder};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShareCommand {
    /// Everything that is or was shared.
    Shares,
    Share {
        items: Vec<ItemToShare>,
        to: String,
        until: Timestamp,
        operator: String,
        reason: String,
        by_key_desk: bool,
    },
    EndShare {
        share: ShareId,
        operator: String,
        reason: String,
    },
}

/// Answers one. `Err`: it is refused, in words.
pub async fn answer(
    shares: &Shares,
    command: ShareCommand,
    peer: String,
) -> Result<OfficeReply, String> {
    match command {
        ShareCommand::Shares => Ok(OfficeReply::Shares(shares.rows(&Reach::All))),
        ShareCommand::Share {
            items,
            to,
            until,
            operator,
            reason,
            by_key_desk,
        } => {
            check_signature(&operator, &reason)?;
            let order = ShareOrder {
                items,
                to,
                until,
                operator: operator.trim().to_owned(),
                reach: Reach::All,
                peer,
                reason: reason.trim().to_owned(),
                by_key_desk,
            };
            let made = shares.share(order).await.map_err(words)?;
            Ok(OfficeReply::Shared(made))
        }
        ShareCommand::EndShare {
            share,
            operator,
            reason,
        } => {
            check_signature(&operator, &reason)?;
            let order = EndShareOrder {
                share,
                operator: operator.trim().to_owned(),
                reach: Reach::All,
                peer,
                reason: reason.trim().to_owned(),
            };
            let ended = shares.end(order).await.map_err(words)?;
            Ok(OfficeReply::Entered {
                index: ended.entry,
                published: ended.published,
            })
        }
    }
}

/// For whoever gave the order.
fn words(error: OfficeError) -> String {
    format!("{}: {}", error.described(), error.next_step())
}
