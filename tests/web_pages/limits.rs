//! What a single reader can bring about: nothing for the others, and nothing that is not true.

use super::*;

#[test]
fn a_station_that_stands_still_does_not_speak_for_itself() {
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
