//! One machine: its overlay, its boot, its end.

use super::{Error, call, io};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const BOOT_SECONDS: u64 = 90;

/// The address of a set's bridge.
pub(super) fn gateway(set: u8) -> String {
    format!("10.213.{set}.1")
}

/// One host of a set.
pub(super) struct Machine {
    set: u8,
    index: usize,
    node: String,
    folder: PathBuf,
    root: PathBuf,
    lower: String,
}

impl Machine {
    pub(super) fn new(set: u8, index: usize, folder: &Path, lower: &str) -> Machine {
        let node = format!("node-{index}");
        let folder = folder.join(&node);
        Machine { set, index, root: folder.join("root"), node, folder, lower: lower.to_owned() }
    }

    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// Its name in inventories and its host name.
    pub(super) fn node(&self) -> &str {
        &self.node
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Its name among all machines; short, because network interfaces are named after it.
    fn name(&self) -> String {
        format!("e{}-{}", self.set, self.index)
    }

    /// This machine's end of its network cable.
    pub(super) fn cable(&self) -> String {
        format!("vb-{}", self.name())
    }

    fn address_of(&self, index: usize) -> String {
        format!("10.213.{}.{}", self.set, 10 + index)
    }

    pub(super) fn address(&self) -> String {
        self.address_of(self.index)
    }

    /// Mounts a fresh overlay and boots it in the background.
    pub(super) fn start(&self, count: usize, bridge: &str) -> Result<(), Error> {
        for part in ["upper", "work", "root"] {
            let path = self.folder.join(part);
            std::fs::create_dir_all(&path).map_err(io(&path))?;
        }
        let (folder, root) = (self.folder.display(), self.root.to_string_lossy());
        let options = format!("lowerdir={},upperdir={folder}/upper,workdir={folder}/work", self.lower);
        call("mount", &["-t", "overlay", "overlay", "-o", &options, &root])?;
        self.write_identity(count)?;
        let propagate = Path::new("/run/systemd/nspawn/propagate");
        std::fs::create_dir_all(propagate).map_err(io(propagate))?;
        let path = self.folder.join("console.log");
        let console = std::fs::File::create(&path).map_err(io(&path))?;
        let errors = console.try_clone().map_err(io(&path))?;
        let mut boot = Command::new("setsid");
        boot.args(["sh", "-c", include_str!("machine.sh"), "machine", &self.name(), &root, bridge]);
        boot.stdin(Stdio::null()).stdout(console).stderr(errors).spawn().map_err(io(Path::new("setsid")))?;
        Ok(())
    }

    /// Writes what tells this host from the others.
    fn write_identity(&self, count: usize) -> Result<(), Error> {
        let write = |name: &str, text: String| {
            let path = self.root.join(name);
            std::fs::write(&path, text).map_err(io(&path))
        };
        let names: String = (0..count).map(|i| format!("{} node-{i}\n", self.address_of(i))).collect();
        write("etc/hostname", format!("{}\n", self.node))?;
        write("etc/hosts", format!("127.0.0.1 localhost\n{names}"))?;
        write("etc/resolv.conf", String::new())?;
        write(
            "etc/systemd/network/10-host0.network",
            format!(
                "[Match]\nName=host0\n[Network]\nAddress={}/24\nGateway={}\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n",
                self.address(),
                gateway(self.set)
            ),
        )?;
        let id = std::fs::read_to_string("/proc/sys/kernel/random/uuid").map_err(io(Path::new("/proc/sys/kernel/random/uuid")))?;
        write("etc/machine-id", id.replace('-', ""))
    }

    /// Waits until the host answers that it has booted.
    pub(super) fn wait(&self, ask: impl Fn() -> std::io::Result<Output>) -> Result<(), Error> {
        let end = Instant::now() + Duration::from_secs(BOOT_SECONDS);
        while Instant::now() < end {
            let said = ask().map_err(io(Path::new("ssh")))?.stdout;
            // A unit that cannot work in a container leaves a host `degraded`, and booted.
            if said.starts_with(b"running") || said.starts_with(b"degraded") {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        let console = std::fs::read(self.folder.join("console.log")).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let from = console.lines().count().saturating_sub(20);
        let console = console.lines().skip(from).collect::<Vec<_>>().join("\n");
        Err(Error::Boot { name: self.name(), seconds: BOOT_SECONDS, console })
    }

    /// Its cgroup in every hierarchy.
    fn cgroups(&self) -> Vec<PathBuf> {
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
        let rows = mounts.lines().map(|row| row.split(' ').collect::<Vec<_>>());
        let hierarchies = rows.filter(|row| row.get(2).is_some_and(|kind| *kind == "cgroup" || *kind == "cgroup2"));
        let groups = hierarchies.map(|row| Path::new(row[1]).join("engine-tests").join(self.name()));
        groups.filter(|group| group.exists()).collect()
    }
}

/// A cgroup and those below it, the deepest first.
fn below(group: &Path) -> Vec<PathBuf> {
    let children = std::fs::read_dir(group).into_iter().flatten().flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
    let mut all: Vec<PathBuf> = children.flat_map(|e| below(&e.path())).collect();
    all.push(group.to_owned());
    all
}

/// Ends machines at once, as by pulling their plugs, and removes their trees.
pub(super) fn remove_all(machines: &[Machine]) -> Result<(), Error> {
    let groups: Vec<PathBuf> = machines.iter().flat_map(Machine::cgroups).collect();
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let all = groups.iter().flat_map(|g| below(g));
        let lists = all.filter_map(|g| std::fs::read_to_string(g.join("cgroup.procs")).ok());
        let mut pids: Vec<String> = lists.flat_map(|l| l.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
        pids.sort();
        pids.dedup();
        if pids.is_empty() {
            break;
        }
        if Instant::now() > end {
            return Err(Error::Failed { doing: "ending test hosts".into(), words: format!("processes {} stay", pids.join(" ")) });
        }
        // One that is gone by now makes kill complain; the next look decides.
        let _ = Command::new("kill").arg("-KILL").args(&pids).stderr(Stdio::null()).status();
        std::thread::sleep(Duration::from_millis(50));
    }
    for group in groups.iter().flat_map(|g| below(g)) {
        // An empty cgroup that is still busy for a moment is taken over by the next machine of this name.
        let _ = std::fs::remove_dir(group);
    }
    for machine in machines {
        let root = machine.root.to_string_lossy().into_owned();
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
        for _ in mounts.lines().filter(|row| row.split(' ').nth(1) == Some(&root)) {
            call("umount", &["-l", &root])?;
        }
        if Path::new("/sys/class/net").join(machine.cable()).exists() {
            // It goes with its other end, which may happen right now.
            let _ = call("ip", &["link", "delete", &machine.cable()]);
        }
        if machine.folder.exists() {
            std::fs::remove_dir_all(&machine.folder).map_err(io(&machine.folder))?;
        }
    }
    Ok(())
}
