//! The program `engine`.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = engine::transport::askpass::answer() {
        return code;
    }
    ExitCode::SUCCESS
}
