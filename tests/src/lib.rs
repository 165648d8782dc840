//! What end-to-end cases need: real test hosts, the tree of a host as a value, and the programs under test.

pub mod hosts;
pub mod program;
pub mod tree;

pub use hosts::Hosts;
pub use program::{Program, Run};
