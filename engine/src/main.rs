//! The program `engine`.

use std::process::ExitCode;

fn main() -> ExitCode {
    modules::agent::pin_name_service();
    if let Some(code) = engine::transport::askpass::answer() {
        return code;
    }
    if std::env::args_os().nth(1).is_some_and(|word| word == "agent") {
        return match modules::agent::serve(std::io::stdin(), std::io::stdout()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("engine agent: {error}");
                ExitCode::FAILURE
            }
        };
    }
    ExitCode::SUCCESS
}
