//! Large inventories, and how long programs take to read them.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Groups of every inventory that [`write()`] makes.
pub const GROUPS: usize = 500;

/// Writes an inventory of so many hosts into a folder: every group has `group_vars`, each host is in two groups and has
/// variables of its own, and the groups stand in ten others.
///
/// # Errors
/// A folder that cannot be written to.
pub fn write(folder: &Path, hosts: usize) -> std::io::Result<()> {
    let mut text = String::from("all:\n  vars: {fleet: large, ntp: [a.example.org, b.example.org]}\n  children:\n");
    let listed = |text: &mut String, group: usize| {
        // Writing into memory cannot fail.
        let _ = writeln!(text, "        group{group:03}:\n          hosts:");
        for host in (group..hosts).step_by(GROUPS) {
            let _ = writeln!(
                text,
                "            node{host:05}.example.org: {{ansible_host: 10.{}.{}.{}, rack: r{}}}",
                host >> 16,
                host >> 8 & 255,
                host & 255,
                host % 40
            );
        }
        for host in ((group + 1) % GROUPS..hosts).step_by(GROUPS) {
            let _ = writeln!(text, "            node{host:05}.example.org:");
        }
    };
    for region in 0..10 {
        let _ = writeln!(text, "    region{region}:\n      vars: {{region: r{region}}}\n      children:");
        (region..GROUPS).step_by(10).for_each(|group| listed(&mut text, group));
    }
    std::fs::write(folder.join("hosts.yaml"), text)?;
    let vars = folder.join("group_vars");
    std::fs::create_dir_all(&vars)?;
    for group in 0..GROUPS {
        let text = format!(
            "port: {}\npackages: [nginx, curl, group{group}]\nlimits: {{files: 1024, memory: {group}}}\nname_of_{group:03}: \"{{{{ region }}}}-{group}\"\n",
            8000 + group
        );
        std::fs::write(vars.join(format!("group{group:03}.yaml")), text)?;
    }
    Ok(())
}

/// Seconds that a program takes, at best of so many times; what it prints is thrown away.
///
/// # Errors
/// A program that cannot be started, or fails.
pub fn seconds(program: &Path, args: &[&str], times: usize) -> std::io::Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..times.max(1) {
        let started = Instant::now();
        let status = Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        if !status.success() {
            return Err(std::io::Error::other(format!("{} failed: {status}", program.display())));
        }
        best = best.min(started.elapsed().as_secs_f64());
    }
    Ok(best)
}
