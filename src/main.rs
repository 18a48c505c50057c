//! orderwire: the binary.

fn main() {}
