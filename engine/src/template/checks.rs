//! Checks of the templates against observed results.
