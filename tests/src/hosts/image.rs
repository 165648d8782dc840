//! The Debian image below every host, and layers of packages over it; each made once and kept in the cache.

use super::{Error, cache, call, io};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What carol's sudo asks for.
pub const CAROLS_PASSWORD: &str = "correct horse";

const RELEASE: &str = "bookworm";
const PACKAGES: &str = "systemd,systemd-sysv,dbus,openssh-server,iproute2,sudo,nftables,iptables,ca-certificates,curl,procps,\
iputils-ping,libpam-systemd,kmod,netbase,cron,unzip,xz-utils,bzip2";

/// Run in the new image, `$1` being carol's password. What starts by itself later would look like a change made by the program under test.
const SETUP: &str = r#"set -e
useradd -m -s /bin/bash ubuntu
useradd -m -s /bin/bash carol
printf 'carol:%s\n' "$1" | chpasswd
echo 'ubuntu ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/ubuntu
echo 'carol ALL=(ALL) ALL' >/etc/sudoers.d/carol
chmod 440 /etc/sudoers.d/ubuntu /etc/sudoers.d/carol
systemctl enable ssh systemd-networkd
systemctl disable apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer e2scrub_reap.service
systemctl mask systemd-tmpfiles-clean.timer
printf 'MaxSessions 20\nMaxStartups 100\n' >/etc/ssh/sshd_config.d/tests.conf
rm -f /var/lib/dbus/machine-id
ln -s /etc/machine-id /var/lib/dbus/machine-id
for home in /root /home/ubuntu /home/carol; do
  mkdir -p -m 700 $home/.ssh $home/.cache
  cp /authorized_keys $home/.ssh/authorized_keys
done
rm /authorized_keys
chown -R ubuntu: /home/ubuntu/.ssh /home/ubuntu/.cache
chown -R carol: /home/carol/.ssh /home/carol/.cache
rm -rf /var/cache/apt/archives/*.deb"#;

/// Waits until no other process makes images.
fn lock() -> Result<File, Error> {
    let folder = cache();
    std::fs::create_dir_all(&folder).map_err(io(&folder))?;
    let path = folder.join("image.lock");
    let file = File::create(&path).map_err(io(&path))?;
    file.lock().map_err(io(&path))?;
    Ok(file)
}

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().take(4).map(|b| format!("{b:02x}")).collect()
}

/// The private key that opens every user of every host.
pub(super) fn key() -> PathBuf {
    cache().join("id_ed25519")
}

/// The hosts' own public key, `ssh-ed25519 …`.
pub(super) fn host_key(lower: &str) -> Result<String, Error> {
    let base = lower.rsplit(':').next().unwrap_or(lower);
    let path = Path::new(base).join("etc/ssh/ssh_host_ed25519_key.pub");
    let text = std::fs::read_to_string(&path).map_err(io(&path))?;
    Ok(text.split(' ').take(2).collect::<Vec<_>>().join(" ").trim().to_owned())
}

/// The lower folders of an overlay, uppermost first, for hosts with these packages; made now where they are missing.
pub(super) fn lower(packages: &[&str]) -> Result<String, Error> {
    let _lock = lock()?;
    let base = base()?;
    if packages.is_empty() {
        return Ok(base.to_string_lossy().into_owned());
    }
    let layer = layer(&base, packages)?;
    Ok(format!("{}:{}", layer.display(), base.display()))
}

fn base() -> Result<PathBuf, Error> {
    if !key().exists() {
        call("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "engine-tests", "-f", &key().to_string_lossy()])?;
    }
    let public = key().with_extension("pub");
    let authorized = std::fs::read_to_string(&public).map_err(io(&public))?;
    let done = cache().join(format!("base-{}", digest(&format!("{RELEASE} {PACKAGES} {SETUP} {CAROLS_PASSWORD} {authorized}"))));
    if done.exists() {
        return Ok(done);
    }
    let new = cache().join("base.new");
    if new.exists() {
        std::fs::remove_dir_all(&new).map_err(io(&new))?;
    }
    eprintln!("making the test hosts' image, once: about two minutes");
    call("debootstrap", &["--variant=minbase", &format!("--include={PACKAGES}"), RELEASE, &new.to_string_lossy()])?;
    let authorized_keys = new.join("authorized_keys");
    std::fs::write(&authorized_keys, authorized).map_err(io(&authorized_keys))?;
    call("chroot", &[&new.to_string_lossy(), "sh", "-c", SETUP, "setup", CAROLS_PASSWORD])?;
    std::fs::rename(&new, &done).map_err(io(&done))?;
    Ok(done)
}

fn layer(base: &Path, packages: &[&str]) -> Result<PathBuf, Error> {
    let name = digest(&format!("{} {}", base.display(), packages.join(" ")));
    let done = cache().join(format!("layer-{name}"));
    if done.exists() {
        return Ok(done);
    }
    let work = cache().join("layer.new");
    let root = work.join("root");
    // A run that was killed while making a layer leaves its mounts.
    for mount in ["root/proc", "root"] {
        let _ = call("umount", &["-l", &work.join(mount).to_string_lossy()]);
    }
    if work.exists() {
        std::fs::remove_dir_all(&work).map_err(io(&work))?;
    }
    for part in ["upper", "work", "root"] {
        std::fs::create_dir_all(work.join(part)).map_err(io(&work))?;
    }
    let shown = root.to_string_lossy();
    let options = format!("lowerdir={},upperdir={1}/upper,workdir={1}/work", base.display(), work.display());
    call("mount", &["-t", "overlay", "overlay", "-o", &options, &shown])?;
    let installed = install(&root, packages);
    call("umount", &["-l", &root.join("proc").to_string_lossy()])?;
    call("umount", &["-l", &shown])?;
    installed?;
    std::fs::rename(work.join("upper"), &done).map_err(io(&done))?;
    std::fs::remove_dir_all(&work).map_err(io(&work))?;
    Ok(done)
}

/// Installs packages without starting their services.
fn install(root: &Path, packages: &[&str]) -> Result<(), Error> {
    let refuse = root.join("usr/sbin/policy-rc.d");
    let resolver = root.join("etc/resolv.conf");
    call("mount", &["-t", "proc", "proc", &root.join("proc").to_string_lossy()])?;
    std::fs::copy("/etc/resolv.conf", &resolver).map_err(io(&resolver))?;
    std::fs::write(&refuse, "#!/bin/sh\nexit 101\n").map_err(io(&refuse))?;
    call("chmod", &["755", &refuse.to_string_lossy()])?;
    let script = "apt-get -q update && apt-get -q -y --no-install-recommends install \"$@\"";
    let mut apt = Command::new("chroot");
    apt.arg(root).args(["sh", "-c", script, "install"]).args(packages).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    let output = apt.output().map_err(io(Path::new("chroot")))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        return Err(Error::Failed { doing: format!("installing {}", packages.join(" ")), words });
    }
    std::fs::remove_file(&refuse).map_err(io(&refuse))?;
    std::fs::write(&resolver, "").map_err(io(&resolver))?;
    call("sh", &["-c", "rm -rf \"$1\"/var/lib/apt/lists/* \"$1\"/var/cache/apt/archives/*.deb", "clean", &root.to_string_lossy()])?;
    Ok(())
}
