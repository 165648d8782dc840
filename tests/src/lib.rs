//! What end-to-end cases need: real test hosts, the state of a host as a value, the programs under test.

pub mod checkout;
pub mod hosts;
pub mod inventories;
pub mod program;
pub mod readme;
pub mod sandbox;
pub mod tree;

pub use hosts::Hosts;
pub use program::{Program, Run};

/// Asks until there is an answer, for at most ten seconds.
pub fn soon<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let answer = ask();
        if answer.is_some() || std::time::Instant::now() > end {
            return answer;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}
