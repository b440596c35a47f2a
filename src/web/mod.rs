//! The pages for people: the place is kept, they come with a later change.
