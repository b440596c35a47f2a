//! A witness policy (C2SP tlog-policy): which witnesses there are, and how many of them make a quorum.

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{AuditError, VerifierKey, WitnessKey};

/// More witnesses or groups than any log needs; the specification asks for 32 of each.
const OF_EACH_MAX: usize = 32;
/// The key type of timestamped ML-DSA-44 cosignatures.
const ML_DSA_TYPE: u8 = 6;
/// The name for "no cosignature at all"; nothing else may have it.
const NONE: &str = "none";

#[derive(Debug)]
pub struct WitnessPolicy {
    /// Empty: the policy is for any log.
    logs: Vec<VerifierKey>,
    witnesses: Vec<PolicyWitness>,
    /// Each stands behind its members.
    groups: Vec<WitnessGroup>,
    quorum: Member,
}

#[derive(Debug)]
pub struct PolicyWitness {
    /// Within the policy; cosignatures carry the key's own name.
    pub name: String,
    pub key: WitnessKey,
    /// Without a slash at the end. A witness without one cannot be asked.
    pub url: Option<String>,
}

#[derive(Debug)]
struct WitnessGroup {
    least: usize,
    members: Vec<Member>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Member {
    Witness(usize),
    Group(usize),
}

/// One line of a policy, for what is wrong with it.
struct PolicyLine<'a> {
    number: usize,
    items: Vec<&'a str>,
}

impl PolicyLine<'_> {
    fn wrong(&self, what: impl Into<String>, fix: &'static str) -> AuditError {
        AuditError::Policy {
            line: self.number,
            what: what.into(),
            fix,
        }
    }
}

impl WitnessPolicy {
    pub fn parse(text: &str) -> Result<Self, AuditError> {
        let mut reader = PolicyReader::default();
        let mut last = 0;
        for (number, line) in (1..).zip(text.lines()) {
            last = number;
            let items: Vec<_> = line.split_whitespace().collect();
            if items.first().is_some_and(|first| !first.starts_with('#')) {
                reader.read(&PolicyLine { number, items })?;
            }
        }
        let end = PolicyLine {
            number: last,
            items: Vec::new(),
        };
        let quorum = reader.quorum.ok_or_else(|| {
            end.wrong(
                "is the last, and none names a quorum",
                "End the policy with `quorum NAME`, the name of a witness or of a group.",
            )
        })?;
        let policy = Self {
            logs: reader.logs,
            witnesses: reader.witnesses,
            groups: reader.groups,
            quorum,
        };
        if !policy.reached(|witness| policy.witnesses[witness].url.is_some()) {
            return Err(end.wrong(
                "is the last, and the quorum needs witnesses that have no address",
                "Give each witness of the quorum its URL: `witness NAME KEY URL`.",
            ));
        }
        Ok(policy)
    }

    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// Whether the policy may be used for this log.
    pub fn is_for(&self, log: &VerifierKey) -> bool {
        self.logs.is_empty() || self.logs.contains(log)
    }

    /// Whether the witnesses, by their place in the policy, make a quorum.
    pub fn reached(&self, cosigned: impl Fn(usize) -> bool) -> bool {
        let mut groups: Vec<bool> = Vec::new();
        for group in &self.groups {
            let acts = group.members.iter().filter(|member| match member {
                Member::Witness(at) => cosigned(*at),
                Member::Group(at) => groups[*at],
            });
            groups.push(acts.count() >= group.least);
        }
        match self.quorum {
            Member::Witness(at) => cosigned(at),
            Member::Group(at) => groups[at],
        }
    }

    /// The largest size of a log that a quorum has cosigned, or a larger one; 0 when there is none. `sizes` has one for each
    /// witness.
    pub fn quorum_size(&self, sizes: &[u64]) -> u64 {
        let reached = |size: u64| self.reached(|at| sizes.get(at).is_some_and(|s| *s >= size));
        let candidates = sizes.iter().copied().filter(|size| *size > 0);
        candidates.filter(|size| reached(*size)).max().unwrap_or(0)
    }
}

#[derive(Default)]
struct PolicyReader<'a> {
    logs: Vec<VerifierKey>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<WitnessGroup>,
    quorum: Option<Member>,
    names: HashMap<&'a str, Member>,
    keys: HashSet<String>,
}

const LINES: &str = "Each line is `log KEY [URL]`, `witness NAME KEY [URL]`, `group NAME any|all|NUMBER NAME…`, `quorum NAME` or a comment that begins with `#`.";

impl<'a> PolicyReader<'a> {
    fn read(&mut self, line: &PolicyLine<'a>) -> Result<(), AuditError> {
        match line.items[..] {
            ["log", key] | ["log", key, _] => self.log(line, key),
            ["witness", name, key] => self.witness(line, name, key, None),
            ["witness", name, key, url] => self.witness(line, name, key, Some(url)),
            ["group", name, rule, ref members @ ..] if !members.is_empty() => {
                self.group(line, name, rule, members)
            }
            ["quorum", name] => self.quorum(line, name),
            _ => Err(line.wrong("is no line of a policy", LINES)),
        }
    }

    fn log(&mut self, line: &PolicyLine<'_>, key: &str) -> Result<(), AuditError> {
        if self.logs.len() == OF_EACH_MAX {
            return Err(line.wrong("names one log too many", "Name at most 32 logs."));
        }
        let key = key.parse().map_err(|_| {
            line.wrong(
                "has a log's key that cannot be read",
                "Give the station's own line: it is in its state folder, keys/log.pub.",
            )
        })?;
        self.logs.push(key);
        Ok(())
    }

    fn define(
        &mut self,
        line: &PolicyLine<'_>,
        name: &'a str,
        as_: Member,
    ) -> Result<(), AuditError> {
        if name == NONE || self.names.insert(name, as_).is_some() {
            return Err(line.wrong(
                format!("gives the name {name:?}, which is taken"),
                "Give each witness and each group a name of its own; `none` is reserved.",
            ));
        }
        Ok(())
    }

    fn witness(
        &mut self,
        line: &PolicyLine<'_>,
        name: &'a str,
        key: &str,
        url: Option<&str>,
    ) -> Result<(), AuditError> {
        if self.witnesses.len() == OF_EACH_MAX {
            return Err(line.wrong("names one witness too many", "Name at most 32 witnesses."));
        }
        let parsed: WitnessKey = key.parse().map_err(|error| unread(line, key, &error))?;
        if !self.keys.insert(parsed.to_string()) {
            return Err(line.wrong(
                "has the key of another witness",
                "Name each witness once: one key counts once.",
            ));
        }
        self.define(line, name, Member::Witness(self.witnesses.len()))?;
        let url = url.map(|url| address(line, url)).transpose()?;
        self.witnesses.push(PolicyWitness {
            name: name.to_owned(),
            key: parsed,
            url,
        });
        Ok(())
    }

    fn group(
        &mut self,
        line: &PolicyLine<'_>,
        name: &'a str,
        rule: &str,
        names: &[&str],
    ) -> Result<(), AuditError> {
        if self.groups.len() == OF_EACH_MAX {
            return Err(line.wrong("names one group too many", "Name at most 32 groups."));
        }
        let mut members = Vec::new();
        for name in names {
            let member = self.member(line, name)?;
            if members.contains(&member) {
                return Err(line.wrong(
                    format!("names {name:?} twice"),
                    "Name each member of a group once.",
                ));
            }
            members.push(member);
        }
        let least = match rule {
            "any" => Some(1),
            "all" => Some(members.len()),
            number => number.parse().ok(),
        };
        let least = least.filter(|least| (1..=members.len()).contains(least));
        let least = least.ok_or_else(|| {
            line.wrong(
                format!("asks for {rule:?} of {} members", members.len()),
                "Use `any`, `all`, or a number from 1 to that of the members.",
            )
        })?;
        self.define(line, name, Member::Group(self.groups.len()))?;
        self.groups.push(WitnessGroup { least, members });
        Ok(())
    }

    fn quorum(&mut self, line: &PolicyLine<'_>, name: &str) -> Result<(), AuditError> {
        if self.quorum.is_some() {
            return Err(line.wrong("is a second quorum", "Keep one line `quorum NAME`."));
        }
        if name == NONE {
            return Err(line.wrong(
                "asks for no witness at all",
                "Name a witness or a group as the quorum, or leave `policy_file` in [witness] empty.",
            ));
        }
        self.quorum = Some(self.member(line, name)?);
        Ok(())
    }

    fn member(&self, line: &PolicyLine<'_>, name: &str) -> Result<Member, AuditError> {
        self.names.get(name).copied().ok_or_else(|| {
            line.wrong(
                format!("names {name:?}, which no line above defines"),
                "Define each witness and each group above the line that names it.",
            )
        })
    }
}

fn unread(line: &PolicyLine<'_>, key: &str, error: &AuditError) -> AuditError {
    let kind = key.splitn(3, '+').nth(2);
    let kind = kind.and_then(|key| STANDARD.decode(key).ok());
    match (kind.and_then(|key| key.first().copied()), error) {
        (Some(ML_DSA_TYPE), _) => line.wrong(
            "has a witness's ML-DSA-44 key",
            "Ask the witness for its Ed25519 key: ML-DSA-44 cosignatures cannot be checked here.",
        ),
        (_, AuditError::Key(what)) => line.wrong(
            format!("has a witness's key that cannot be used: {what}"),
            "Copy the key `NAME+ID+KEY` as the witness publishes it; `camdock office check` shows that of an office.",
        ),
        _ => line.wrong(
            "has a witness's key that cannot be used",
            "Copy the key `NAME+ID+KEY` as the witness publishes it.",
        ),
    }
}

fn address(line: &PolicyLine<'_>, url: &str) -> Result<String, AuditError> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split('/').next());
    let fine = host.is_some_and(|host| !host.is_empty() && !host.contains('@'))
        && url
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"?#\\\"<>".contains(&b));
    if fine && url.len() <= 1000 {
        Ok(url.trim_end_matches('/').to_owned())
    } else {
        Err(line.wrong(
            "has an address that cannot be used",
            "Give the witness's prefix as `https://HOST/PATH` or `http://HOST:PORT`, without `add-checkpoint`.",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::LogKey;

    fn key(name: &str) -> String {
        let key = LogKey::generate().unwrap().0;
        key.witness(name).unwrap().to_string()
    }

    fn policy(rest: &str) -> Result<WitnessPolicy, AuditError> {
        let mut witnesses = String::new();
        for name in ["a", "b", "c"] {
            let key = key(name);
            witnesses.push_str(&format!(
                "witness {name} {key} http://127.0.0.1:1/{name}/\n"
            ));
        }
        WitnessPolicy::parse(&format!("# comment\n\n{witnesses}{rest}"))
    }

    #[test]
    fn a_quorum_is_reached_as_its_groups_say() {
        let two = policy("group g 2 a b c\nquorum g\n").unwrap();
        assert_eq!(
            two.witnesses()[0].url.as_deref(),
            Some("http://127.0.0.1:1/a")
        );
        assert!(!two.reached(|at| at == 0));
        assert!(two.reached(|at| at != 1));
        assert_eq!(two.quorum_size(&[9, 0, 7]), 7);
        assert_eq!(two.quorum_size(&[9, 8, 7]), 8);
        assert_eq!(two.quorum_size(&[9, 0, 0]), 0);
        let nested = policy("group g any a b\n group h all\tg c\nquorum h").unwrap();
        assert_eq!(nested.quorum_size(&[0, 5, 6]), 5);
        assert_eq!(nested.quorum_size(&[5, 6, 0]), 0);
        assert_eq!(policy("quorum b").unwrap().quorum_size(&[9, 3, 9]), 3);
    }

    #[test]
    fn groups_of_groups_are_looked_at_once_each() {
        let mut text = String::from("group g0 any a\ngroup g1 any b\n");
        for n in 2..32 {
            text.push_str(&format!("group g{n} all g{} g{}\n", n - 1, n - 2));
        }
        let policy = policy(&format!("{text}quorum g31")).unwrap();
        assert_eq!(policy.quorum_size(&[4, 2, 0]), 2);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line_and_a_next_step() {
        use crate::model::Explain as _;
        let again = key("a");
        let twice = format!("witness d {again}\nwitness e {again}\nquorum a");
        let ml_dsa = format!(
            "witness d d+00000000+{}\nquorum a",
            STANDARD.encode([ML_DSA_TYPE; 40])
        );
        let unreachable = format!("witness d {}\nquorum d", key("d"));
        for (rest, line, says) in [
            ("", 5, "none names a quorum"),
            ("quorum a\nquorum b", 7, "second quorum"),
            ("quorum none", 6, "no witness at all"),
            ("quorum d", 6, "no line above defines"),
            ("group g any h\ngroup h any a\nquorum g", 6, "no line above"),
            ("group g 4 a b c\nquorum g", 6, "of 3 members"),
            ("group g 0 a b c\nquorum g", 6, "of 3 members"),
            ("group g any a a\nquorum g", 6, "twice"),
            ("group a any b\nquorum a", 6, "is taken"),
            ("group none any b\nquorum a", 6, "is taken"),
            ("group g any\nquorum a", 6, "no line of a policy"),
            ("sigsum\nquorum a", 6, "no line of a policy"),
            ("witness d nonsense\nquorum a", 6, "cannot be used"),
            ("log nonsense\nquorum a", 6, "cannot be read"),
            (&twice, 7, "another witness"),
            (&ml_dsa, 6, "ML-DSA-44"),
            (&unreachable, 7, "no address"),
        ] {
            let error = policy(rest).unwrap_err();
            let AuditError::Policy { line: at, what, .. } = &error else {
                panic!("{rest}: {error}");
            };
            assert_eq!(*at, line, "{rest}: {error}");
            assert!(what.contains(says), "{rest}: {what}");
            assert_eq!(error.label(), "witness_policy");
            assert!(error.next_step().ends_with('.'), "{}", error.next_step());
        }
        for url in [
            "ftp://a",
            "https://",
            "http:///x",
            "https://a@b",
            "http://a?b",
            "x",
        ] {
            let text = format!("witness d {} {url}\nquorum d", key("d"));
            let error = WitnessPolicy::parse(&text).unwrap_err().to_string();
            assert!(error.contains("address"), "{url}: {error}");
        }
    }

    #[test]
    fn a_policy_that_names_logs_is_for_these_alone() {
        let log = LogKey::generate()
            .unwrap()
            .0
            .verifier("camdock/one")
            .unwrap();
        let other = LogKey::generate()
            .unwrap()
            .0
            .verifier("camdock/one")
            .unwrap();
        let named = policy(&format!("log {log}\nquorum a")).unwrap();
        assert!(named.is_for(&log) && !named.is_for(&other));
        assert!(policy("quorum a").unwrap().is_for(&other));
    }
}
