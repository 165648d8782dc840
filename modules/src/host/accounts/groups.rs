//! Groups of a host.

use super::{Accounts, GROUP, did_not_converge, has, parse_group};
use crate::change::{Action, Change};
use crate::module::Halt;
use crate::value::Value;

/// One group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its number; `None` in a plan that lets the system choose it.
    pub gid: Option<u32>,
}

/// What a group should be.
#[derive(Debug, Clone, Default)]
pub struct DesiredGroup {
    /// Its number.
    pub gid: Option<u32>,
    /// Whether its number comes from the range for the system's own, when it is made.
    pub system: bool,
    /// Whether the number may be another group's too.
    pub non_unique: bool,
    /// Lowest and highest number the system may choose.
    pub range: (Option<u32>, Option<u32>),
    /// Uses the programs that change local files only.
    pub local: bool,
    /// Removes it even if it is a user's primary group.
    pub force: bool,
}

impl Accounts<'_> {
    /// The group with this name, or with this number when the name is one.
    pub fn group(&mut self, name: &str) -> Result<Option<Group>, Halt> {
        if let Some(state) = self.host.remembered(GROUP, name) {
            let gid = state.get("gid").and_then(Value::as_int).map(|g| g as u32);
            return Ok((!matches!(state, Value::Null)).then(|| Group { name: name.to_string(), gid }));
        }
        let mut groups = parse_group(&self.text("/etc/group")?);
        if !groups.iter().any(|g| g.name == name) {
            groups.extend(self.elsewhere("group", name).map(|t| parse_group(&t)).unwrap_or_default());
        }
        let number = name.parse::<u32>().ok();
        let found = groups.iter().find(|g| g.name == name).or_else(|| groups.iter().find(|g| Some(g.gid) == number));
        Ok(found.map(|g| Group { name: g.name.clone(), gid: Some(g.gid) }))
    }

    /// The group's name for a number, if it has one.
    pub fn group_name(&mut self, gid: u32) -> Result<Option<String>, Halt> {
        Ok(parse_group(&self.text("/etc/group")?).into_iter().find(|g| g.gid == gid).map(|g| g.name))
    }

    /// Makes the group exist as desired.
    pub fn converge_group(&mut self, name: &str, desired: &DesiredGroup) -> Result<Group, Halt> {
        let Some(found) = self.group(name)?.filter(|g| g.name == name) else { return self.create_group(name, desired) };
        let Some(gid) = desired.gid.filter(|g| found.gid != Some(*g)) else { return Ok(found) };
        self.host.record(Change::new(Action::Update, GROUP, name).field("gid", found.gid, gid));
        let program = if desired.local && has("lgroupmod") { "lgroupmod" } else { "groupmod" };
        let mut argv = vec![program.to_string(), "-g".into(), gid.to_string()];
        argv.extend(desired.non_unique.then(|| "-o".to_string()));
        argv.push(name.to_string());
        self.act(argv, None, &format!("cannot change the group {name}"))?;
        self.group_settled(name, Some(gid))
    }

    fn create_group(&mut self, name: &str, desired: &DesiredGroup) -> Result<Group, Halt> {
        if let (true, false, Some(gid)) = (desired.local, desired.non_unique, desired.gid)
            && let Some(other) = self.group_name(gid)?
        {
            return Err(Halt::failed(format!("GID '{gid}' already exists with group '{other}'")));
        }
        let gid = desired.gid.map_or_else(|| Value::unknown(format!("gid of {name}")), Value::from);
        self.host.record(Change::new(Action::Create, GROUP, name).field("gid", Value::Null, gid));
        let program =
            ["lgroupadd", "groupadd", "addgroup"].into_iter().skip(usize::from(!desired.local)).find(|p| has(p)).unwrap_or("groupadd");
        let mut argv = vec![program.to_string()];
        if let Some(gid) = desired.gid {
            argv.extend(["-g".into(), gid.to_string()]);
        }
        if desired.system {
            argv.push(if program == "addgroup" { "-S" } else { "-r" }.into());
        }
        if program == "groupadd" {
            argv.extend(desired.non_unique.then(|| "-o".to_string()));
            for (key, value) in [("GID_MIN", desired.range.0), ("GID_MAX", desired.range.1)] {
                argv.extend(value.iter().flat_map(|v| ["-K".to_string(), format!("{key}={v}")]));
            }
        }
        argv.push(name.to_string());
        self.act(argv, None, &format!("cannot create the group {name}"))?;
        self.group_settled(name, desired.gid)
    }

    fn group_settled(&mut self, name: &str, gid: Option<u32>) -> Result<Group, Halt> {
        if !self.host.is_live() {
            self.host.overlay().set_state(GROUP, name, Value::map([("gid", gid.into())]));
            return Ok(Group { name: name.to_string(), gid });
        }
        let found = self.group(name)?.filter(|g| gid.is_none() || g.gid == gid);
        found.ok_or_else(|| did_not_converge("group", name, &["gid".into()]))
    }

    /// Makes the group not exist.
    pub fn remove_group(&mut self, name: &str, desired: &DesiredGroup) -> Result<(), Halt> {
        let Some(found) = self.group(name)?.filter(|g| g.name == name) else { return Ok(()) };
        self.host.record(Change::new(Action::Delete, GROUP, name).field("gid", found.gid, Value::Null));
        let program =
            ["lgroupdel", "groupdel", "delgroup"].into_iter().skip(usize::from(!desired.local)).find(|p| has(p)).unwrap_or("groupdel");
        let mut argv = vec![program.to_string()];
        argv.extend((desired.force && program == "groupdel").then(|| "-f".to_string()));
        argv.push(name.to_string());
        self.act(argv, None, &format!("cannot remove the group {name}"))?;
        if !self.host.is_live() {
            self.host.overlay().set_state(GROUP, name, Value::Null);
        } else if self.group(name)?.is_some_and(|g| g.name == name) {
            return Err(did_not_converge("group", name, &["state".into()]));
        }
        Ok(())
    }
}
