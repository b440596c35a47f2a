//! One reader can neither disturb the others nor make a page show what is not true.

use super::*;

#[test]
fn a_station_whose_main_loop_hangs_sends_no_sign_of_life() {
    for alive in [true, false] {
        let site = plain(alive);
        let mut stream = TcpStream::connect(site.web).unwrap();
        let limit = Some(Duration::from_secs(4));
        stream.set_read_timeout(limit).unwrap();
        let head = format!("GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", site.web);
        stream.write_all(head.as_bytes()).unwrap();
        let mut told = Vec::new();
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { break };
            let spoke = line == "event: alive";
            told.push(line);
            if spoke {
                break;
            }
        }
        assert!(told.iter().any(|line| line == "event: hello"), "{told:?}");
        assert_eq!(told.iter().any(|line| line == "event: alive"), alive);
    }
}

#[test]
fn an_old_cookie_never_locks_the_officers_page_and_guesses_are_bounded() {
    let site = plain(true);
    let asked = |header: &str| {
        let head = format!("GET / HTTP/1.1\r\nHost: {}\r\n{header}", site.web);
        request(site.web, &head, b"")[9..12].to_owned()
    };
    for _ in 0..30 {
        assert_eq!(asked("Cookie: camdock=of-another-time"), "200");
    }
    let guesses: Vec<String> = (0..15)
        .map(|n| asked(&format!("Authorization: Bearer guess-{n}")))
        .collect();
    assert_eq!(guesses[0], "401");
    assert_eq!(guesses[14], "429");
    assert_eq!(asked("Cookie: camdock=of-another-time"), "200");
}

#[test]
fn idle_listeners_of_one_address_never_shut_a_new_page_out() {
    let site = plain(true);
    let listen = || {
        let mut stream = TcpStream::connect(site.web).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let head = format!("GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", site.web);
        stream.write_all(head.as_bytes()).unwrap();
        let mut lines = BufReader::new(stream).lines();
        let greeted = lines.any(|line| line.is_ok_and(|line| line == "event: hello"));
        (greeted, lines)
    };
    let idle: Vec<_> = (0..60).map(|_| listen()).collect();
    assert!(idle.iter().all(|(greeted, _)| *greeted));
    assert!(get(site.web, "/").starts_with("HTTP/1.1 200"));
    let (greeted, _) = listen();
    assert!(greeted);
}

#[test]
fn a_session_is_not_the_token_and_ends_when_its_owner_leaves() {
    let token = new_token().unwrap();
    let sha256 = hash_of(&token);
    let listen = "listen = \"127.0.0.1:0\"";
    let web = format!(
        "{listen}\ntokens = [{{ name = \"M. Shah\", role = \"operations\", sha256 = \"{sha256}\" }}]"
    );
    let site = site(tempfile::tempdir().unwrap(), true, &web, listen);
    let ask = |method: &str, path: &str, cookie: &str, body: &str| {
        let form = "Content-Type: application/x-www-form-urlencoded";
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{form}\r\nCookie: camdock={cookie}",
            site.web
        );
        request(site.web, &head, body.as_bytes())
    };
    let opens = |cookie: &str| ask("GET", "/api/status", cookie, "").starts_with("HTTP/1.1 200");
    let reply = ask("POST", "/login", "none", &format!("token={token}"));
    let cookie = reply.split("camdock=").nth(1).unwrap();
    let cookie = cookie.split(';').next().unwrap();
    assert!(!cookie.contains(&token) && cookie.len() >= 40, "{reply}");
    assert!(opens(cookie));
    assert!(!opens(&token), "a token is no cookie");
    assert!(ask("POST", "/logout", cookie, "").contains("Max-Age=0"));
    assert!(!opens(cookie), "a copy of the cookie still works");
}

#[test]
fn a_body_that_never_comes_is_not_waited_for() {
    let site = plain(true);
    let mut stream = TcpStream::connect(site.web).unwrap();
    let limit = Some(Duration::from_secs(30));
    stream.set_read_timeout(limit).unwrap();
    let form = "Content-Type: application/x-www-form-urlencoded";
    let head = format!(
        "POST /login HTTP/1.1\r\nHost: {}\r\n{form}\r\nContent-Length: 100\r\n\r\ntok",
        site.web
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
}
