use super::{Code, Person::Operations, code};

pub(super) const CODES: &[Code] = &[
    code(
        "access_not_logged",
        Operations,
        "An access to evidence metadata could not be entered in the custody log, so nothing was shown.",
        "Check the disk and the permissions of the state folder, then restart the service.",
    ),
    code(
        "web_certificate",
        Operations,
        "The certificate or key of the pages cannot be used.",
        "Correct the configuration, then run `camdock check`.",
    ),
    code(
        "web_listen",
        Operations,
        "The pages cannot listen on their address.",
        "Stop the program that listens there, or give the pages another address. Footage is taken in any case.",
    ),
    code(
        "web_wrong_token",
        Operations,
        "A wrong token was given to the pages.",
        "If this continues, find out where the requests come from.",
    ),
];
