//! What end-to-end cases need: real test hosts, the state of a host as a value, the programs under test.

pub mod checkout;
pub mod hosts;
pub mod program;
pub mod readme;
pub mod sandbox;
pub mod tree;

pub use hosts::Hosts;
pub use program::{Program, Run};
