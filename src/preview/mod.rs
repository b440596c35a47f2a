//! Storyboards and proxies from sealed footage: the place is kept, the work comes later.
