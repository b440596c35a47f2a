//! Recipients outside, in words.

use crate::model::{Escaped, fingerprint_words};
use crate::web::OutsiderBook;

pub fn print(book: &OutsiderBook) {
    let escaped = |text: &str| Escaped(text.as_bytes()).to_string();
    if book.recipients.is_empty() && book.invitations.is_empty() {
        println!("nobody outside was invited; `camdock office people invite` makes a link");
    }
    for recipient in &book.recipients {
        let waits = if recipient.published {
            ""
        } else {
            ", not published yet"
        };
        println!(
            "{:<24} {}  {}  until {}  confirmed by {} (entry {}{waits})\n    {}",
            escaped(&recipient.name),
            escaped(&recipient.organisation),
            fingerprint_words(&recipient.fingerprint).unwrap_or_default(),
            recipient.until,
            escaped(&recipient.by),
            recipient.entry,
            recipient.fingerprint
        );
    }
    for invitation in &book.invitations {
        let state = match &invitation.sent {
            None => format!("not used yet, ends at {}", invitation.ends),
            Some(sent) => format!(
                "waits to be confirmed since {}, sent from {} as {}, {}",
                sent.at,
                escaped(&sent.peer),
                escaped(&sent.name),
                escaped(&sent.organisation)
            ),
        };
        println!(
            "{:<24} invitation {}: {state}",
            escaped(&invitation.name),
            invitation.number
        );
    }
}
