//! The addresses, tokens and certificates that decide who may reach the pages.

use super::*;

fn with(place: &ConfigDir, section: &str, line: &str) -> Result<Loaded, ConfigError> {
    let text = good("", "");
    place.load(&format!("{text}\n[{section}]\n{line}\n"))
}

#[test]
fn what_other_machines_can_reach_needs_tls_and_a_token() {
    let place = ConfigDir::new();
    for (section, line) in [
        ("web", "listen = \"0.0.0.0:8480\""),
        ("web", "listen = \"[::]:8480\""),
        ("web", "listen = \"192.0.2.7:8480\""),
        ("metrics", "listen = \"0.0.0.0:9480\""),
    ] {
        let refused = with(&place, section, line).err().unwrap().to_string();
        let why = "reachable from other machines";
        assert!(refused.contains(why), "{line}: {refused}");
        assert!(refused.contains("without TLS"), "{line}: {refused}");
    }
    for (section, line) in [
        ("web", "listen = \"127.0.0.1:8480\""),
        ("web", "listen = \"[::1]:8480\""),
        ("metrics", "listen = \"127.0.0.1:9480\""),
    ] {
        with(&place, section, line).unwrap();
    }
}

#[test]
fn a_stations_token_has_no_role_of_an_office_and_names_no_stations() {
    let place = ConfigDir::new();
    let line = |rest: &str| {
        let hash = "0".repeat(64);
        format!("tokens = [{{ name = \"M. Shah\", sha256 = \"{hash}\", {rest} }}]")
    };
    with(&place, "web", &line("role = \"operations\"")).unwrap();
    for (wrong, why) in [
        ("role = \"evidence\"", "has a role of an office"),
        ("role = \"manager\"", "has a role of an office"),
        (
            "role = \"kiosk\", stations = [\"leeds-north-1\"]",
            "names a station that is not followed here",
        ),
    ] {
        let refused = with(&place, "web", &line(wrong)).err().unwrap();
        assert!(refused.to_string().contains(why), "{refused}");
    }
}
