use super::{Code, Person::Operations, code};

const CORRECT_PASSWORD: &str = "Correct the cameras' password in the place that the profile's `secret` names. The docked camera is tried again at once.";
const CHECK_PROTOCOL: &str =
    "Dock the camera again. If the problem stays, check the protocol in its profile.";

pub(super) const CODES: &[Code] = &[
    code(
        "unlock_no_password",
        Operations,
        "The station has no password for this locked camera.",
        "Put the cameras' password in the place that the profile's `secret` names. The docked camera is tried at once.",
    ),
    code(
        "unlock_no_steps",
        Operations,
        "The profile of this locked camera does not say how to unlock it.",
        "Give the profile an [unlock] section, or let it match the form in which the camera can be read.",
    ),
    code(
        "unlock_not_repeated",
        Operations,
        "This password was refused before, in this bay or by this camera. It is not sent again, because the camera might lock itself.",
        "Correct the cameras' password in the place that the profile's `secret` names. The docked camera is tried again at once. Other cameras can be docked in other bays meanwhile.",
    ),
    code(
        "unlock_password_unfit",
        Operations,
        "The password does not have the form that this kind of camera accepts.",
        CORRECT_PASSWORD,
    ),
    code(
        "unlock_refused",
        Operations,
        "The locked camera refused a request.",
        CHECK_PROTOCOL,
    ),
    code(
        "unlock_reply",
        Operations,
        "The locked camera sent an invalid reply.",
        CHECK_PROTOCOL,
    ),
    code(
        "unlock_transfer",
        Operations,
        "Communication with the locked camera failed.",
        "Dock the camera again. If the problem stays, check the udev rules and the protocol in the camera's profile.",
    ),
    code(
        "unlock_wrong_password",
        Operations,
        "The camera refused the password.",
        CORRECT_PASSWORD,
    ),
];
