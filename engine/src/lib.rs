//! What stays with the user: reading, planning, carrying out, reporting. The order below is the way of the data.

pub mod apply;
pub mod check;
pub mod cli;
pub mod error;
pub mod event;
pub mod graph;
pub mod inventory;
pub mod plan;
pub mod playbook;
pub mod remote;
pub mod report;
pub mod schedule;
pub mod source;
pub mod template;
pub mod transport;
pub mod vars;
pub mod vault;
pub mod yaml;
