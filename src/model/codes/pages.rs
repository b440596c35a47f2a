use super::{
    Code,
    Person::{EvidenceManager, Operations},
    code,
};

pub(super) const CODES: &[Code] = &[
    code(
        "access_not_logged",
        Operations,
        "An access to evidence metadata could not be entered in the custody log, so nothing was shown.",
        "Check the disk and the permissions of the state folder, then restart the service.",
    ),
    code(
        "person_key_unfit",
        EvidenceManager,
        "What was sent as a person's key is no public key on the curve P-384.",
        "Make the key on the page Keys, which sends what is needed.",
    ),
    code(
        "person_not_waiting",
        EvidenceManager,
        "No key of this person waits to be confirmed.",
        "The person makes their key on the page Keys, and reads its eight words out after that.",
    ),
    code(
        "person_own_key",
        EvidenceManager,
        "Nobody confirms their own key.",
        "Ask somebody else who may decide, or operations: `camdock office people confirm`.",
    ),
    code(
        "person_unknown",
        EvidenceManager,
        "This person has no key in the address book.",
        "Compare the name with `camdock office people list`.",
    ),
    code(
        "person_words_differ",
        EvidenceManager,
        "The words that were typed are not those of the key that waits.",
        "Let the person read out the eight words that their page shows once more. If they still differ, somebody else has sent a key under this name: confirm nothing, and tell operations.",
    ),
    code(
        "sign_in_answer",
        Operations,
        "The provider of [people] gave an answer that is not accepted, so nobody was signed in.",
        "Compare `issuer`, `client_id`, the client's secret and `address` in [people] with the provider's settings; check the clocks of both.",
    ),
    code(
        "sign_in_ca_file",
        Operations,
        "The certificates of [people] that the provider is to be known by cannot be used.",
        "Write the certificate of the provider's own authority, PEM, into the `ca_file` of [people], readable for camdock-office; leave `ca_file` empty for a provider with a public certificate.",
    ),
    code(
        "sign_in_no_role",
        Operations,
        "Somebody whom the provider knows has no name, role or station in this office.",
        "If they should have access, put them into a group that `roles` in [people] names, and into one of `units`; then sign in again.",
    ),
    code(
        "sign_in_not_begun",
        Operations,
        "A sign-in came back that this browser had not begun, that was too old, or that the provider declined.",
        "Sign in again, from the office's own page.",
    ),
    code(
        "sign_in_unreachable",
        Operations,
        "The provider of [people] cannot be reached, so nobody can sign in there.",
        "Check the network, `issuer` and `ca_file` in [people]; tokens still open the pages.",
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
