//! The test hosts themselves: what every other case on real hosts relies on.

use std::path::Path;
use tests::Hosts;
use tests::hosts::CAROLS_PASSWORD;
use tests::tree::State;

#[test]
fn hosts_are_what_they_promise() {
    let Some(hosts) = Hosts::for_case(2, &[]) else { return };
    assert_eq!(hosts.sh(0, "systemctl is-system-running").trim(), "running");
    assert_eq!(hosts.sh(1, "hostname").trim(), "node-1");
    assert_ne!(hosts.sh(0, "cat /etc/machine-id"), hosts.sh(1, "cat /etc/machine-id"));
    assert_eq!(hosts.sh(0, "command -v python3 python || echo none").trim(), "none");
    hosts.sh(0, "ping -c1 -W2 node-1");
    assert_eq!(hosts.sh(0, "su ubuntu -c 'sudo -n id -u'").trim(), "0");
    assert!(!hosts.run(0, "su carol -c 'sudo -n id -u'").unwrap().status.success());
    assert_eq!(hosts.sh(0, &format!("echo '{CAROLS_PASSWORD}' | su carol -c 'sudo -S -p \"\" id -u'")).trim(), "0");
    let clock = hosts.run(0, "date -s '2001-01-01'").unwrap();
    assert!(!clock.status.success(), "a host can set this machine's clock");

    // Services of two hosts must not share a cgroup, or stopping one stops both.
    hosts.sh(0, "systemctl stop cron");
    assert_eq!(hosts.sh(1, "systemctl is-active cron").trim(), "active");

    hosts.sh(0, "sudo -u ubuntu true; echo new >/etc/new");
    let boot = hosts.sh(0, "cat /proc/sys/kernel/random/boot_id");
    let _ = hosts.run(0, "systemctl reboot");
    let back = (0..100).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(200));
        let id = String::from_utf8(hosts.run(0, "cat /proc/sys/kernel/random/boot_id").ok()?.stdout).ok()?;
        (!id.is_empty() && id != boot).then_some(id)
    });
    assert!(back.is_some(), "node-0 did not come back from its reboot");
    assert_eq!(hosts.sh(0, "cat /etc/new").trim(), "new");

    hosts.reset().unwrap();
    assert_eq!(hosts.sh(0, "cat /etc/new 2>/dev/null || echo fresh").trim(), "fresh");
    assert_eq!(hosts.sh(0, "systemctl is-active cron").trim(), "active");
}

#[test]
fn a_state_differs_only_by_what_was_done() {
    let Some(hosts) = Hosts::for_case(1, &[]) else { return };
    let before = State::of(&hosts, 0, &[]);
    hosts.sh(0, "cat /etc/passwd; systemctl list-units");
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(before.difference(&State::of(&hosts, 0, &[])), Vec::<String>::new());
    hosts.sh(0, "touch /etc/passwd; echo x >/usr/local/x; systemctl restart cron");
    let lines = before.difference(&State::of(&hosts, 0, &[]));
    let starts: Vec<&str> = lines.iter().map(|l| l.split(": ").next().unwrap()).collect();
    assert_eq!(starts, ["~ /etc/passwd", "~ /usr/local", "+ /usr/local/x", "~ unit cron.service"].map(str::to_owned), "{lines:#?}");
}

#[test]
fn sets_do_not_meet_and_leave_nothing() {
    let Some(first) = Hosts::for_case(1, &[]) else { return };
    let second = Hosts::for_case(1, &[]).unwrap();
    assert_ne!(first.address(0), second.address(0));
    assert_ne!(first.sh(0, "cat /etc/machine-id"), second.sh(0, "cat /etc/machine-id"));
    second.unplug(0).unwrap();
    assert!(!second.run(0, "true").unwrap().status.success());
    second.plug(0).unwrap();
    let (folder, root) = (second.folder().to_owned(), second.root(0).to_owned());
    drop(second);
    assert!(!folder.exists());
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    assert!(!mounts.contains(&*root.to_string_lossy()));
    first.sh(0, "true");
    let set = folder.file_name().unwrap().to_string_lossy().into_owned();
    assert!(!Path::new(&format!("/sys/class/net/et{set}")).exists());
    assert!(!Path::new(&format!("/sys/class/net/vb-e{set}-0")).exists());
}
