//! Ways to reach a host and to become another user there, and what is said when it does not work.

#![expect(clippy::unwrap_used, reason = "a case may panic")]

use std::path::PathBuf;
use tempfile::TempDir;
use tests::hosts::CAROLS_PASSWORD;
use tests::{Hosts, Program, Run};

/// Test hosts and a folder on this machine with an inventory and playbooks.
struct Case {
    hosts: Hosts,
    folder: TempDir,
}

impl Case {
    fn new(count: usize) -> Option<Case> {
        let hosts = Hosts::for_case(count, &[])?;
        Some(Case { hosts, folder: tempfile::tempdir().unwrap() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Applies these tasks to every host of an inventory.
    fn apply(&self, inventory: &str, tasks: &str, args: &[&str]) -> Run {
        std::fs::write(self.path("hosts.yaml"), inventory).unwrap();
        std::fs::write(self.path("site.yaml"), format!("- hosts: all\n  gather_facts: false\n  tasks:\n{tasks}")).unwrap();
        let all = ["apply", "--yes", "-i", "hosts.yaml", "site.yaml"].iter().chain(args);
        Program::engine(all, self.folder.path(), self.folder.path()).run()
    }

    /// How often sshd let somebody in.
    fn logins(&self, index: usize) -> usize {
        self.hosts.sh(index, "journalctl -u ssh --no-pager | grep -c 'Accepted publickey'").trim().parse().unwrap()
    }
}

const WHO: &str = "    - shell: id -un >~/who-i-am\n";

#[test]
fn users_become_root_or_stay_themselves() {
    let Some(case) = Case::new(1) else { return };
    assert_eq!(case.hosts.sh(0, "command -v python3 python || echo none").trim(), "none");

    case.apply(&case.hosts.inventory("ubuntu"), WHO, &[]).expect(0);
    assert_eq!(case.hosts.sh(0, "cat /home/ubuntu/who-i-am").trim(), "ubuntu");
    case.apply(&case.hosts.inventory("ubuntu"), WHO, &["-b"]).expect(0);
    assert_eq!(case.hosts.sh(0, "cat /root/who-i-am").trim(), "root");
    case.apply(&case.hosts.inventory("ubuntu"), WHO, &["-b", "--become-user", "carol"]).expect(0);
    assert_eq!(case.hosts.sh(0, "cat /home/carol/who-i-am").trim(), "carol");
    case.hosts.sh(0, "rm /root/who-i-am /home/*/who-i-am");

    // A password from a variable, then from a file.
    let with =
        |password: &str| case.hosts.inventory("carol").replace("  vars:\n", &format!("  vars:\n    ansible_become_password: {password}\n"));
    case.apply(&with(CAROLS_PASSWORD), WHO, &["-b"]).expect(0);
    assert_eq!(case.hosts.sh(0, "cat /root/who-i-am").trim(), "root");
    std::fs::write(case.path("password"), CAROLS_PASSWORD).unwrap();
    case.apply(&case.hosts.inventory("carol"), WHO, &["-b", "--become-password-file", "password"]).expect(0);

    let none = case.apply(&case.hosts.inventory("carol"), WHO, &["-b"]);
    assert!(none.code != 0 && none.err.contains("password"), "{}", none.err);
    let wrong = case.apply(&with("wrong"), WHO, &["-b"]);
    assert!(wrong.code != 0 && wrong.err.contains("password"), "{}", wrong.err);
    for run in [&none, &wrong] {
        assert!(!run.err.contains("wrong\n") && !run.err.contains(CAROLS_PASSWORD), "a password is shown: {}", run.err);
    }
    let journal = case.hosts.sh(0, "journalctl --no-pager");
    assert!(!journal.contains(CAROLS_PASSWORD), "a password is in the host's journal");
}

#[test]
fn a_host_behind_another_is_reached_and_a_second_run_reuses_the_connection() {
    let Some(case) = Case::new(2) else { return };
    let direct = case.hosts.inventory("ubuntu");
    case.apply(&direct, WHO, &[]).expect(0);
    let before = case.logins(1);
    case.apply(&direct, WHO, &[]).expect(0);
    assert_eq!(case.logins(1), before, "the second run logged in again");

    // Only node-0 may talk to node-1 now.
    case.hosts.sh(1, &format!("nft 'add table inet f; add chain inet f i {{ type filter hook input priority 0; }}; add rule inet f i tcp dport 22 ip saddr != {} drop'", case.hosts.address(0)));
    let jump = format!(
        "-o ProxyCommand=\"ssh -i {} -o UserKnownHostsFile={} -W %h:%p root@{}\" -o UserKnownHostsFile={}",
        case.hosts.key().display(),
        case.hosts.known_hosts().display(),
        case.hosts.address(0),
        case.hosts.known_hosts().display()
    );
    let inventory = format!(
        "all:\n  hosts:\n    behind:\n      ansible_host: {}\n      ansible_user: ubuntu\n      ansible_ssh_private_key_file: {}\n      ansible_ssh_common_args: '{jump}'\n",
        case.hosts.address(1),
        case.hosts.key().display()
    );
    case.apply(&inventory, "    - copy: {content: behind, dest: ~/behind}\n", &[]).expect(0);
    assert_eq!(std::fs::read_to_string(case.hosts.root(1).join("home/ubuntu/behind")).unwrap(), "behind");
}

#[test]
fn what_goes_wrong_is_said() {
    let Some(case) = Case::new(1) else { return };
    let good = case.hosts.inventory("root");
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path("snapshots/connections");
    settings.add_filter(r"\b\d+\.\d+ ?s\b", "[time]");
    settings.add_filter(r"10\.213\.\d+\.", "10.213.0.");
    settings.add_filter(&case.folder.path().to_string_lossy(), "[folder]");
    settings.add_filter(&case.hosts.folder().to_string_lossy(), "[hosts]");
    settings.add_filter(r"SHA256:[\w+/]+", "SHA256:[key]");
    let expect = |name: &str, run: Run| {
        assert_ne!(run.code, 0, "{name}: nothing was wrong:\n{}", run.err);
        settings.bind(|| insta::assert_snapshot!(name, format!("exit code {}\n{}{}", run.code, run.err, run.out)));
    };
    let ping = "    - ping:\n";

    std::process::Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(case.path("other")).status().unwrap();
    let other = good.replace(&*case.hosts.key().to_string_lossy(), &case.path("other").to_string_lossy());
    expect("wrong_key", case.apply(&other, ping, &[]));
    let unknown = good.replace(&*case.hosts.known_hosts().to_string_lossy(), "/dev/null");
    expect("unknown_host_key", case.apply(&unknown, ping, &[]));
    expect("wrong_user", case.apply(&good.replace("ansible_user: root", "ansible_user: nobody"), ping, &[]));
    let carol = case.hosts.inventory("carol").replace("  vars:\n", "  vars:\n    ansible_become_password: wrong\n");
    expect("wrong_sudo_password", case.apply(&carol, ping, &["-b"]));
    expect("missing_sudo_password", case.apply(&case.hosts.inventory("carol"), ping, &["-b"]));

    case.hosts.sh(0, "mkdir /mnt/small && mount -t tmpfs -o size=64k tmpfs /mnt/small");
    std::fs::write(case.path("large"), vec![b'x'; 1 << 20]).unwrap();
    expect("disk_full", case.apply(&good, "    - copy: {src: large, dest: /mnt/small/large}\n", &[]));
    assert_eq!(case.hosts.sh(0, "ls -A /mnt/small").trim(), "", "a piece of the file is left");

    // Long enough for the kernel to find out that nobody has this address.
    let absent = good.replace(&case.hosts.address(0), &case.hosts.address(0).replace(".10", ".200"));
    expect("absent_host", case.apply(&absent, ping, &["-T", "20"]));
}

#[test]
fn the_others_go_on_when_an_agent_or_a_connection_dies() {
    let Some(case) = Case::new(2) else { return };
    let inventory = case.hosts.inventory("ubuntu");
    let slow = "    - shell: sleep 8\n    - copy: {dest: ~/after, content: after}\n";
    let after = |index: usize| case.hosts.root(index).join("home/ubuntu/after").exists();
    let agent = "pgrep -u ubuntu -f 'agent-[0-9a-f]{64} agent$'";
    let killed = |line: &str| {
        // What a killed agent's shell had started outlives it.
        case.hosts.sh(1, "pkill -x sleep -u ubuntu; true");
        std::thread::scope(|scope| {
            let run = scope.spawn(|| case.apply(&inventory, slow, &[]));
            case.hosts.sh(1, "for i in $(seq 600); do pgrep -x sleep -u ubuntu && exit; sleep 0.1; done; exit 1");
            case.hosts.sh(1, line);
            run.join().unwrap().expect(4)
        })
    };
    let run = killed(&format!("kill -9 $({agent})"));
    assert!(run.err.contains("the agent on node-1 was killed"), "{}", run.err);
    assert!(after(0) && !after(1), "{}", run.err);

    std::fs::remove_file(case.hosts.root(0).join("home/ubuntu/after")).unwrap();
    let run = killed("pkill -9 -f '^sshd: ubuntu'");
    assert!(run.err.contains("connection to node-1 lost"), "{}", run.err);
    assert!(after(0) && !after(1), "{}", run.err);
    let gone = format!("for i in $(seq 50); do {agent} || exit 0; sleep 0.1; done; exit 1");
    case.hosts.sh(1, &gone);

    case.apply(&inventory, slow, &[]).expect(0);
    assert!(after(1), "the next run does not connect again");
}
