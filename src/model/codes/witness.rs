use super::{
    Code,
    Person::{EvidenceManager, Operations},
    code,
};

pub(super) const CODES: &[Code] = &[
    code(
        "witness_answer",
        Operations,
        "A witness gives an answer that no witness gives: too long, without a signature, or of an unknown kind. Nothing of it counts.",
        "Check the witness's address in the policy; if it is right, tell the witness's operator.",
    ),
    code(
        "witness_ca_file",
        Operations,
        "The certificates of the witnesses' authority, `ca_file` in [witness], cannot be used.",
        "Write the certificate of the authority that signed the witness's there (PEM), readable for the user `camdock`.",
    ),
    code(
        "witness_contradicts",
        EvidenceManager,
        "A witness does not accept this station's log as the one that it has cosigned: it knows more entries, or others.",
        "Run `camdock verify` and keep its output and the folder `witnesses`. If the station was put back from an old copy, follow what it says at its start; else find out who changed the log.",
    ),
    code(
        "witness_key",
        Operations,
        "A cosignature is wrong, or not by the key that the policy names for this witness. It does not count.",
        "Compare the key in the policy with the one that the witness's operator names. If they are the same, somebody else answers at its address.",
    ),
    code(
        "witness_policy",
        Operations,
        "The witnesses' policy cannot be used.",
        "Correct the line that the message names, then run `camdock check`.",
    ),
    code(
        "witness_record",
        Operations,
        "What was kept of a witness's cosignatures is damaged or cannot be read.",
        "Check the disk. The file is written anew with the witness's next cosignature.",
    ),
    code(
        "witness_refused",
        Operations,
        "A witness refuses this station's log: it does not know the log, or not its key.",
        "Give the witness's operator the log's public key, keys/log.pub in the state folder; an office needs it as `log_key` in office.toml.",
    ),
    code(
        "witness_unreachable",
        Operations,
        "A witness cannot be reached, or does not answer in time. Footage is taken and stored all the same.",
        "Check the network, the witness's address in the policy, and whether it runs. It is asked again automatically.",
    ),
];
