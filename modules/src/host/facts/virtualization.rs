//! Facts about what the host runs in.

use super::{Facts, line, put, read};
use std::path::Path;

pub(super) fn gather(facts: &mut Facts) {
    let (kind, role) = detect();
    put(facts, "virtualization_type", kind);
    put(facts, "virtualization_role", role);
    let mut guest = if role == "guest" { vec![kind] } else { vec![] };
    if ["docker", "podman", "lxc"].contains(&kind) {
        guest.push("container");
    }
    // A machine may be a guest and hold others at once.
    let modules = read("/proc/modules");
    let holds = |name: &str| modules.lines().any(|l| l.split(' ').next() == Some(name));
    let mut host = if role == "host" { vec![kind] } else { vec![] };
    for (is, kind) in [(holds("kvm") || Path::new("/dev/kvm").exists(), "kvm"), (holds("vboxdrv"), "virtualbox")] {
        if is && !host.contains(&kind) {
            host.push(kind);
        }
    }
    put(facts, "virtualization_tech_guest", guest);
    put(facts, "virtualization_tech_host", host);
}

fn detect() -> (&'static str, &'static str) {
    let environment = read("/proc/1/environ");
    let told =
        environment.split('\0').find_map(|e| e.strip_prefix("container=")).map(str::to_string).or_else(|| line("/run/systemd/container"));
    match told.as_deref() {
        Some("lxc") | Some("lxc-libvirt") => return ("lxc", "guest"),
        Some("podman") => return ("podman", "guest"),
        Some("docker") => return ("docker", "guest"),
        Some(_) => return ("container", "guest"),
        None => {}
    }
    if Path::new("/.dockerenv").exists() {
        return ("docker", "guest");
    }
    if Path::new("/run/.containerenv").exists() {
        return ("podman", "guest");
    }
    let dmi = |name: &str| line(format!("/sys/class/dmi/id/{name}")).unwrap_or_default();
    by_hardware(&dmi("sys_vendor"), &dmi("product_name"), &dmi("bios_vendor"), &read("/proc/cpuinfo"))
}

fn by_hardware(vendor: &str, product: &str, bios: &str, cpuinfo: &str) -> (&'static str, &'static str) {
    let guests = [
        (product.contains("VirtualBox"), "virtualbox"),
        (product.contains("VMware") || vendor.contains("VMware"), "VMware"),
        (vendor.contains("Microsoft") && product.contains("Virtual Machine"), "VirtualPC"),
        (vendor.contains("Xen") || product.contains("HVM domU") || bios == "Xen" || Path::new("/proc/xen").exists(), "xen"),
        (product.contains("OpenStack") || vendor.contains("OpenStack"), "openstack"),
        (vendor.contains("Parallels") || product.contains("Parallels"), "parallels"),
        (["KVM", "Bochs", "AHV", "Standard PC"].iter().any(|p| product.contains(p)), "kvm"),
        (
            ["QEMU", "oVirt", "Amazon EC2", "DigitalOcean", "Hetzner", "Google", "Scaleway", "Nutanix"].iter().any(|v| vendor.contains(v)),
            "kvm",
        ),
        (cpuinfo.contains("QEMU Virtual CPU") || cpuinfo.contains("Common KVM processor"), "kvm"),
    ];
    if let Some((_, kind)) = guests.iter().find(|(is, _)| *is) {
        return (kind, "guest");
    }
    let hypervisor = cpuinfo.lines().any(|l| l.starts_with("flags") && l.split_whitespace().any(|f| f == "hypervisor"));
    match (hypervisor, Path::new("/dev/kvm").exists()) {
        (true, _) => ("kvm", "guest"),
        (false, true) => ("kvm", "host"),
        (false, false) => ("NA", "NA"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines() {
        assert_eq!(by_hardware("innotek GmbH", "VirtualBox", "", ""), ("virtualbox", "guest"));
        assert_eq!(by_hardware("QEMU", "Standard PC (Q35 + ICH9, 2009)", "SeaBIOS", ""), ("kvm", "guest"));
        assert_eq!(by_hardware("", "", "", "flags\t\t: fpu hypervisor lahf\n"), ("kvm", "guest"));
    }
}
