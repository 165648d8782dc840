//! The program `engine`.

use std::process::ExitCode;

fn main() -> ExitCode {
<<<<<<< HEAD
=======
    // First of all: before a thread or a lookup could load a name service that a static program cannot use.
>>>>>>> b3ea3e4 (wip)
    modules::agent::pin_name_service();
    if let Some(code) = engine::transport::askpass::answer() {
        return code;
    }
<<<<<<< HEAD
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
=======
    engine::cli::main()
>>>>>>> b3ea3e4 (wip)
}
