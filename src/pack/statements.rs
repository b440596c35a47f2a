//! Statements for a person to read, complete and sign. Every figure is filled in; blanks are left for what only that person can say.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::facts::{Decided, PackFacts, PackItem, fingerprint, grouped, part_file};
use crate::model::{Escaped, ImportFacts, Part};

const STYLE: &str = "body{font:11pt/1.45 Georgia,'Times New Roman',serif;color:#000;background:#fff;max-width:46rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:14pt;margin:0}h2{font-size:11.5pt;margin:1.2em 0 .3em}p{margin:.5em 0}ol{padding-left:1.6em}li{margin:.5em 0}\
table{border-collapse:collapse;width:100%;margin:.4em 0;break-inside:avoid}th,td{border:1px solid #555;padding:.2em .5em;text-align:left;vertical-align:top;overflow-wrap:anywhere}th{width:32%;font-weight:normal}\
.blank{display:inline-block;min-width:11rem;border-bottom:1px solid #000}.wide{display:block;min-height:1.6em;border-bottom:1px solid #000;margin:.3em 0}\
.note{font:9.5pt/1.35 system-ui,sans-serif;border:1px solid #777;padding:.5em .8em;margin:0 0 1.2em}\
@media print{body{margin:0;max-width:none}.note{display:none}@page{margin:20mm}}";

/// A witness statement for England and Wales that produces the recordings as exhibits.
pub fn england_and_wales(facts: &PackFacts) -> String {
    let mut text = String::from(
        "<h1>Witness statement</h1>\n<p>Criminal Procedure Rules; Criminal Justice Act 1967, section 9</p>\n",
    );
    let blank = BLANK;
    let _ = write!(
        text,
        "<p>Statement of {blank}</p>\n<p>Age if under 18 (if over 18, write “over 18”) {blank}</p>\n<p>Occupation {blank}</p>\n\
         <p>This statement (consisting of {blank} page(s), each signed by me) is true to the best of my knowledge and belief, and I make it knowing that, \
         if it is tendered in evidence, I shall be liable to prosecution if I have wilfully stated in it anything which I know to be false, or do not believe to be true.</p>\n\
         <p>Signature {blank} Date {blank}</p>\n<h2>Exhibits</h2>\n\
         <p>On {} (UTC) I made, at the evidence office {}, a pack of evidence with the number {} by means of the program CamDock {}. I produce the following of it:</p>\n",
        when(facts.made),
        facts.office,
        facts.id,
        facts.version
    );
    items(&mut text, facts, "I produce it as exhibit");
    text.push_str("<h2>How the recordings came here</h2>\n<ol>\n");
    process(&mut text, facts);
    let _ = write!(
        text,
        "<li>My own part in this, and how I know it: <span class=wide contenteditable></span><span class=wide contenteditable></span></li>\n\
         </ol>\n<p>Signature {blank} Signature witnessed by {blank}</p>\n"
    );
    page(
        "Witness statement (England and Wales)",
        "The form of a statement is a matter of the Criminal Procedure Rules in force: have it checked. \
         Exhibit marks are by convention initials and a number.",
        &text,
    )
}

/// A certification under the Federal Rules of Evidence 902(11), (13) and (14).
pub fn federal_rules(facts: &PackFacts) -> String {
    let blank = BLANK;
    let mut text = String::from(
        "<h1>Certification of records, process and data</h1>\n<p>Federal Rules of Evidence 902(11), 902(13) and 902(14); 28 U.S.C. § 1746</p>\n",
    );
    let _ = write!(
        text,
        "<p>I, {blank}, declare:</p>\n<ol>\n<li>I am employed by {blank} as {blank}. By reason of this position I am a custodian of the records described below, or otherwise qualified to make this certification.</li>\n</ol>\n\
         <h2>The copies</h2>\n<p>The pack {} was made on {} (UTC) at the evidence office {} by means of the program CamDock {}. It holds copies of the following recordings:</p>\n",
        facts.id,
        when(facts.made),
        facts.office,
        facts.version
    );
    items(&mut text, facts, "Exhibit");
    text.push_str(
        "<h2>Records of a regularly conducted activity – 902(11)</h2>\n<p>The entries of the custody log that are in this pack were made at or near the time of what they state, \
         by the station itself when it took, sealed and stored each file, in the course of a regularly conducted activity, and making them was a regular practice of that activity.</p>\n\
         <h2>The electronic process – 902(13)</h2>\n<p>The recordings and the log are the result of the following process, which produces an accurate result:</p>\n<ol>\n",
    );
    process(&mut text, facts);
    text.push_str(
        "</ol>\n<h2>Digital identification – 902(14)</h2>\n<p>Each copy in the table above was opened from the sealed original and its SHA-256 digest was computed while it was written. \
         The digest is the one that the custody log recorded when the file was taken from the camera. Two files with the same SHA-256 digest are, for every practical purpose, identical.</p>\n",
    );
    let _ = write!(
        text,
        "<p>Matters that I add from my own knowledge: <span class=wide contenteditable></span><span class=wide contenteditable></span></p>\n\
         <p>I declare under penalty of perjury that the foregoing is true and correct. (If executed outside the United States: “… under penalty of perjury under the laws of the United States of America …”.)</p>\n\
         <p>Executed on {blank} at {blank}</p>\n<p>Signature {blank}</p>\n"
    );
    page(
        "Certification (FRE 902)",
        "A party who offers records by such a certification gives the other side reasonable notice and makes both available for inspection: have this checked by counsel.",
        &text,
    )
}

const BLANK: &str = "<span class=blank contenteditable></span>";

/// One table for each item.
fn items(text: &mut String, facts: &PackFacts, exhibit: &str) {
    for (number, item) in (1..).zip(&facts.items) {
        let (entry, sealed_at, sealed) = &item.sealed;
        let _ = writeln!(
            text,
            "<table><caption>{number}. {exhibit} {BLANK}</caption>"
        );
        let mut row = |what: &str, value: String| {
            let _ = writeln!(
                text,
                "<tr><th scope=row>{what}</th><td>{}</td></tr>",
                escaped(&value)
            );
        };
        let imported = item.imported.as_ref();
        row(
            match imported {
                Some(_) => "File, as it was imported",
                None => "File on the camera",
            },
            item.path().to_string(),
        );
        row(
            "File in the pack",
            format!(
                "data/{}",
                part_file(item, Part::Original).unwrap_or_default()
            ),
        );
        row("Size", format!("{} bytes", sealed.size));
        row("SHA-256", sealed.sha256.to_string());
        row("Number of the item", item.evidence.to_string());
        let camera = sealed.camera.as_ref();
        match imported {
            Some((entry, _, declared)) => import_rows(&mut row, *entry, &declared.facts),
            None => row(
                "Camera",
                camera.map_or("no usable serial number".into(), ToString::to_string),
            ),
        }
        let officer = item.officer.as_ref();
        row(
            "Officer to whom it is assigned",
            officer.map_or("nobody".into(), |officer| officer.0.clone()),
        );
        for decision in &item.decisions {
            let (what, decided) = match &decision.decided {
                Decided::Officer(officer) => {
                    ("Assigned by the office", format!("to {}", officer.0))
                }
                Decided::Evidence(true) => ("Quarantine", "decided to be evidence".into()),
                Decided::Evidence(false) => ("Quarantine", "decided not to be evidence".into()),
            };
            row(
                what,
                format!(
                    "{decided}, {} (UTC), entry {} of the log of the office {}, which is not in this pack",
                    when(decision.at),
                    decision.entry,
                    facts.office
                ),
            );
        }
        if let Some(modified) = sealed.modified {
            match imported {
                Some(_) => row(
                    "Time of the file",
                    format!("{}, as it came", when(modified)),
                ),
                None => row(
                    "Time by the camera’s own clock",
                    format!("{}, as the camera gave it", when(modified)),
                ),
            }
        }
        if imported.is_none() {
            row("Camera’s clock against the station’s", clock(item));
        }
        row(
            "Taken and sealed",
            format!(
                "{} (UTC, by the clock of the station {}), entry {entry} of its custody log",
                when(*sealed_at),
                item.station
            ),
        );
        let (entry, stored_at, _) = &item.stored;
        row(
            "Stored",
            format!("{} (UTC), entry {entry}", when(*stored_at)),
        );
        let others = item.parts.iter().filter(|part| part.part != Part::Original);
        for part in others {
            let name = part_file(item, part.part).unwrap_or_default();
            row(
                &format!("Its {}, made by the station", part.part),
                format!("data/{name}, SHA-256 {}, entry {}", part.sha256, part.entry),
            );
        }
        text.push_str("</table>\n");
    }
}

/// What was declared of an import, which the station has not seen itself.
fn import_rows(row: &mut impl FnMut(&str, String), entry: u64, facts: &ImportFacts) {
    row(
        "Imported, as it was declared",
        format!("{}, entry {entry}", facts.source),
    );
    row("Received from", facts.received_from.clone());
    for (what, words) in [
        ("Incident", &facts.incident),
        ("Exhibit mark that it came with", &facts.exhibit),
    ] {
        if let Some(words) = words {
            row(what, words.clone());
        }
    }
    let Some(derived) = &facts.derived else {
        return;
    };
    let mut text = format!("a copy made from item {}, not an original", derived.from);
    for (how, words) in [("made by", &derived.maker), ("with", &derived.tool)] {
        if let Some(words) = words {
            text.push_str(&format!(", {how} {words}"));
        }
    }
    if let Some(sha256) = derived.sha256 {
        text.push_str(&format!("; SHA-256 of that item in the same log: {sha256}"));
    }
    row("What it is, as it was declared", text);
}

fn clock(item: &PackItem) -> String {
    let read = item
        .docked
        .as_ref()
        .and_then(|(.., docked)| docked.camera_clock.as_ref());
    match read.map(|clock| (clock.ahead_seconds, clock.ahead_at_least_seconds)) {
        Some((Some(0), _)) => "equal, when the camera was docked".into(),
        Some((Some(ahead), _)) if ahead > 0 => {
            format!("{ahead} seconds ahead, when the camera was docked")
        }
        Some((Some(behind), _)) => format!(
            "{} seconds behind, when the camera was docked",
            behind.unsigned_abs()
        ),
        Some((None, Some(bound))) => format!(
            "not read; ahead by at least {bound} seconds (negative: behind by at most so many)"
        ),
        _ => "not known".into(),
    }
}

/// How a recording gets from the camera into the pack, with the figures of these.
fn process(text: &mut String, facts: &PackFacts) {
    text.push_str(
        "<li>When a camera is docked, the station reads each file once. It computes the SHA-256 digest of its bytes and encrypts them at the same time; no unencrypted copy is written to a disk.</li>\n\
         <li>The digest is entered in the station’s custody log. The log is a hash tree (RFC 6962) whose root the station signs: an entry that is changed, removed or added between others changes the root.</li>\n\
         <li>The encrypted file is stored under a lock that keeps it from being replaced or deleted, and the store’s own checksum is compared with the station’s.</li>\n",
    );
    if facts.items.iter().any(|item| item.imported.is_some()) {
        text.push_str(
            "<li>Evidence that no camera brought is read in the same way. What was declared of it was entered in the log before any of it was read; \
             the station cannot know whether that is true.</li>\n",
        );
    }
    for log in &facts.logs {
        let _ = writeln!(
            text,
            "<li>The entries of the station {} in this pack are proven under its signed checkpoint of {} entries with the root {}. The office’s witness has cosigned it at {} (UTC), which says that the log only grew. \
             The fingerprint of the station’s key is {}.</li>",
            log.station,
            log.size,
            log.root,
            when(log.cosigned_at),
            grouped(&fingerprint(&log.key))
        );
    }
    let acts: Vec<String> = facts.acts.iter().map(ToString::to_string).collect();
    let _ = writeln!(
        text,
        "<li>The fingerprint of the witness’s key is {}.</li>\n<li>Before anything was opened, {} entered in the log of the office {} that the pack was to be made (entries {}). \
         Each file was opened with the private key of a recipient; its SHA-256 was computed while it was written and is the one in the station’s log, else it would not be in the pack.</li>",
        grouped(&fingerprint(&facts.witness.key)),
        escaped(&facts.operator),
        facts.office,
        acts.join(", ")
    );
}

fn page(title: &str, note: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<p class=note>A draft to be read, completed and signed by the person who can say this of their own knowledge; strike out what does not apply. \
         Lines can be filled in here before printing, or by hand. What is typed is not kept. {note} This box is not printed.</p>\n{body}</body>\n</html>\n"
    )
}

/// In UTC, to the second.
fn when(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn escaped(text: &str) -> String {
    let plain = Escaped(text.as_bytes()).to_string();
    plain
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
