//! **plan** — floor 1.
//!
//! Knows: routes → what is owed; owed + facts + now → decision with reason; the policy of consent, window, quiet hours, fallback, supersession.
//! Must not know: any channel by name, I/O, the clock (`now` is an argument).
//! May use: domain
//! How to add one: a rule is a function in the chain of `decide`, with its reason in `domain::decision::Reason`.
