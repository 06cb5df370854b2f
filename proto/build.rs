//! Compiles `varco/v1/*.proto` with protox, so that no system protoc is needed.

use std::error::Error;

const FILES: [&str; 7] = [
    "varco/v1/transit.proto",
    "varco/v1/tamper.proto",
    "varco/v1/drop.proto",
    "varco/v1/enrolment.proto",
    "varco/v1/envelope.proto",
    "varco/v1/receipt.proto",
    "varco/v1/status.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    prost_build::Config::new().compile_fds(descriptors)?;
    Ok(())
}
