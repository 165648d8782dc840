//! Facts about LVM, as its own tools tell them.

use super::super::{Command, Host};
use super::{Facts, put};
use crate::value::{Map, Value};

/// Columns of the three lists.
const COMMON: [&str; 4] = ["--noheadings", "--nosuffix", "--units=g", "--separator=,"];

impl Host {
    pub(super) fn lvm_facts(&mut self, facts: &mut Facts) {
        let root = rustix::process::geteuid().is_root();
        let table = |host: &mut Host, tool: &str, columns: &str| -> Option<Vec<Vec<String>>> {
            let mut words = vec![tool];
            words.extend(COMMON);
            words.extend(["-o", columns]);
            let output = host.query(&Command::new(words)).ok().filter(super::super::Output::success)?;
            Some(output.text().lines().map(|l| l.trim().split(',').map(str::to_owned).collect()).collect())
        };
        let found = if root { table(self, "vgs", "vg_name,pv_count,lv_count,vg_size,vg_free") } else { None };
        let Some(groups) = found else { return put(facts, "lvm", "N/A") };
        let volumes = table(self, "lvs", "lv_name,vg_name,lv_size").unwrap_or_default();
        let disks = table(self, "pvs", "pv_name,vg_name,pv_size,pv_free").unwrap_or_default();
        put(facts, "lvm", described(&groups, &volumes, &disks));
    }
}

fn described(groups: &[Vec<String>], volumes: &[Vec<String>], disks: &[Vec<String>]) -> Value {
    let table = |rows: &[Vec<String>], names: &[(&str, usize)]| -> Value {
        let row = |row: &Vec<String>| {
            let key = row.first()?;
            let cells = names.iter().map(|(name, at)| (*name, Value::str(row.get(*at).map_or("", String::as_str))));
            Some((Value::str(key), Value::map(cells)))
        };
        rows.iter().filter_map(row).collect::<Map>().into()
    };
    Value::map([
        ("lvs", table(volumes, &[("vg", 1), ("size_g", 2)])),
        ("pvs", table(disks, &[("vg", 1), ("size_g", 2), ("free_g", 3)])),
        ("vgs", table(groups, &[("num_pvs", 1), ("num_lvs", 2), ("size_g", 3), ("free_g", 4)])),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables() {
        let rows = |text: &str| text.lines().map(|l| l.split(',').map(str::to_owned).collect()).collect::<Vec<Vec<String>>>();
        let lvm = described(&rows("g,1,2,9.00,1.00"), &rows("root,g,4.00"), &rows("/dev/sda1,g,9.00,1.00"));
        assert_eq!(
            lvm.to_string(),
            "{'lvs': {'root': {'vg': 'g', 'size_g': '4.00'}}, 'pvs': {'/dev/sda1': {'vg': 'g', 'size_g': '9.00', 'free_g': '1.00'}}, \
             'vgs': {'g': {'num_pvs': '1', 'num_lvs': '2', 'size_g': '9.00', 'free_g': '1.00'}}}"
        );
    }
}
