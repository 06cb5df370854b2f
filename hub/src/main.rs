//! The command `varco-hub`; everything is in the library.

fn main() -> std::process::ExitCode {
    varco_hub::cli::main()
}
