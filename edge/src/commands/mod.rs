//! The commands of `varco-edge`: they wire, and print.
