//! Everything of a pack that is made from its facts: keys, checkpoints, CASE/UCO, statements, the checking page, and what to do with it.

use std::fmt::Write as _;

use super::case::case_graph;
use super::facts::{PackFacts, custody_file, fingerprint, grouped};
use super::statements::{england_and_wales, federal_rules};
use super::{BagTotals, BagWriter, PackError, check_page};

/// Adds the papers to a pack that has its items and entries, and finishes it.
pub fn add_papers(mut bag: BagWriter, facts: &PackFacts) -> Result<BagTotals, PackError> {
    for log in &facts.logs {
        bag.add(
            &custody_file(&log.station, "checkpoint"),
            log.note.as_bytes(),
        )?;
        let key = format!("{}\n", log.key);
        bag.add(&format!("keys/log/{}.pub", log.station), key.as_bytes())?;
    }
    let key = format!("{}\n", facts.witness.key);
    bag.add("keys/witness.pub", key.as_bytes())?;
    bag.add("case.jsonld", case_graph(facts).as_bytes())?;
    for (name, text) in [
        ("england-and-wales", england_and_wales(facts)),
        ("us-fre-902", federal_rules(facts)),
    ] {
        bag.add(&format!("statements/{name}.html"), text.as_bytes())?;
    }
    bag.add_tag("check.html", check_page().as_bytes())?;
    bag.add_tag("READ-ME.txt", read_me(facts).as_bytes())?;
    bag.finish(&[
        ("Bag-Software-Agent", format!("CamDock {}", facts.version)),
        ("Bagging-Date", facts.made.strftime("%Y-%m-%d").to_string()),
        (
            "Source-Organization",
            format!("evidence office {}", facts.office),
        ),
        ("Contact-Name", facts.operator.clone()),
        ("External-Identifier", facts.id.to_string()),
    ])
}

fn read_me(facts: &PackFacts) -> String {
    let (mut items, mut logs) = (String::new(), String::new());
    for item in &facts.items {
        let _ = writeln!(items, "  {}  {}", item.evidence, item.path());
    }
    for log in &facts.logs {
        let digits = grouped(&fingerprint(&log.key));
        let _ = writeln!(logs, "  station {}: {digits}", log.station);
    }
    let witness = grouped(&fingerprint(&facts.witness.key));
    format!(
        "A pack of evidence, number {id}

It holds these recordings, each as it was taken in:
{items}
To check it
  1. Copy this folder to a disk, or leave it on its disc. A ZIP has to be unpacked.
  2. Open check.html in a current browser (Chrome, Edge, Firefox, Safari). No network is needed.
  3. Choose this folder, and type the fingerprint of the station's or the witness's key as you have it from elsewhere: from a signed
     statement on paper, by telephone, or published by the police force. Whoever forges a pack forges what it says of keys, too.
  4. It says MATCHES or DOES NOT MATCH, and for each thing what was checked.

What this pack says of its keys, to be compared with what you have from elsewhere:
{logs}  witness: {witness}

What is in it
  data/items/NUMBER/original/    the recording, byte for byte as it was taken in
  data/items/NUMBER/             pictures (storyboard.jpg) and a small video (preview.mp4), made by the station, where there are any
  data/custody/STATION/          the custody log's entries about these recordings alone, each with its proof (RFC 6962, C2SP tlog-proof)
  data/keys/                     the public keys of the stations' logs and of the witness
  data/case.jsonld               the same in CASE/UCO, for other systems
  data/statements/               statements to be read, completed and signed
Entries that also tell of other recordings are not in it.

To check it with programs of others
  sha256sum -c manifest-sha256.txt tagmanifest-sha256.txt
  bagit.py --validate .                                    (BagIt, RFC 8493)
  case_validate data/case.jsonld                           (CASE/UCO)
  Any verifier of C2SP tlog-proof and signed notes takes data/custody and data/keys; docs/formats.md of CamDock has all formats,
  byte for byte, with programs.
",
        id = facts.id
    )
}
