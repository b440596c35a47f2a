//! Every metric's name, unit and help in one place.
