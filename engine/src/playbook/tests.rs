//! Tests of reading playbooks.
