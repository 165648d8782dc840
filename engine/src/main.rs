//! The program `engine`.

use std::process::ExitCode;

fn main() -> ExitCode {
    // First of all: before a thread or a lookup could load a name service that a static program cannot use.
    modules::agent::pin_name_service();
    if let Some(code) = engine::transport::askpass::answer() {
        return code;
    }
    engine::cli::main()
}
