//! Files as tasks see them, in a real directory: live, planned, and planned then live.

use super::*;
use crate::change::{Action, Change};
use crate::host::{Blobs, Command};
use crate::module::Halt;
use crate::value::Value;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::{fs, io};

struct Nothing;
impl Blobs for Nothing {
    fn fetch(&mut self, hash: &str) -> Result<Vec<u8>, Halt> {
        if hash == HELLO { Ok(b"hello".to_vec()) } else { Err(Halt::failed(format!("no {hash}"))) }
    }
}

const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn host(live: bool) -> Host {
    let mut host = Host::new(Box::new(Nothing));
    host.begin(live, Vec::new());
    host
}

/// Past the test harness, which hides what a passing test prints.
fn say(text: &str) {
    use io::Write;
    let _ = writeln!(io::stderr(), "{text}");
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn file(content: &str) -> Desired {
    Desired { entry: Some(Entry::File(Content::Bytes(content.into()))), follow: true, ..Desired::default() }
}

fn entry(entry: Entry) -> Desired {
    Desired { entry: Some(entry), follow: true, ..Desired::default() }
}

fn message<T: std::fmt::Debug>(result: Result<T, Halt>) -> String {
    match result {
        Err(Halt::Failed(failure)) => failure.message,
        other => panic!("no failure: {other:?}"),
    }
}

fn names(change: &Change) -> Vec<&str> {
    change.fields.iter().map(|f| f.name.as_str()).collect()
}

/// Plans and applies, requires that both agree and that nothing is left, and returns the changes.
fn lawful(path: &Path, desired: &Desired) -> Vec<Change> {
    let mut plan = host(false);
    let before = tree(path.parent().expect("in a directory"));
    let planned = plan.files().converge(path, desired).expect("plans");
    assert_eq!(tree(path.parent().expect("in a directory")), before, "a plan changes nothing");
    let changes = plan.finish();
    assert!(!plan.files().converge(path, desired).expect("plans again"), "what is planned is seen: {:?}", plan.finish());
    let mut live = host(true);
    assert_eq!(live.files().converge(path, desired).expect("applies"), planned);
    assert_eq!(live.finish(), changes, "plan and apply agree");
    assert!(!live.files().converge(path, desired).expect("applies again"), "nothing is left: {:?}", live.finish());
    changes
}

fn tree(dir: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory").map(|e| e.expect("an entry").path()) {
        let meta = fs::symlink_metadata(&entry).expect("there");
        // Walking here changes the access times of directories itself.
        let accessed = if meta.is_dir() { None } else { meta.accessed().ok() };
        all.push(format!("{} {:o} {:?} {accessed:?}", entry.display(), meta.mode(), meta.modified()));
        if meta.is_dir() {
            all.extend(tree(&entry));
        }
    }
    all.sort();
    all
}

#[test]
fn a_file_comes_changes_and_goes() {
    let dir = scratch();
    let path = dir.path().join("f");
    let made = lawful(&path, &Desired { mode: Some(Mode::Bits(0o640)), ..file("one\n") });
    assert_eq!((made[0].action, made[0].kind.as_str()), (Action::Create, "file"));
    assert_eq!(names(&made[0]), ["state", "content", "mode", "owner", "group"]);
    assert_eq!(made[0].fields[1].after, Value::str("one\n"));
    assert_eq!(made[0].fields[2].after, Value::str("0640"));
    let changed = lawful(&path, &file("two\n"));
    assert_eq!(names(&changed[0]), ["content"]);
    assert_eq!(changed[0].fields[0].before, Value::str("one\n"));
    assert_eq!(fs::metadata(&path).expect("there").mode() & 0o7777, 0o640, "what is not desired stays");
    let attributes = lawful(&path, &Desired { mode: Some(Mode::Symbolic("u+x,o=r".into())), follow: true, ..Desired::default() });
    assert_eq!((names(&attributes[0]), &attributes[0].fields[0].after), (vec!["mode"], &Value::str("0744")));
    let gone = lawful(&path, &entry(Entry::Absent));
    assert_eq!((gone[0].action, names(&gone[0])), (Action::Delete, vec!["state"]));
    assert!(!path.exists());
    assert_eq!(fs::read_dir(dir.path()).expect("there").count(), 0, "no temporary file stays");
}

#[test]
fn a_device_is_not_replaced() {
    let dir = scratch();
    let path = dir.path().join("null");
    // Only root makes devices.
    let mode = rustix::fs::Mode::from_raw_mode(0o666);
    let made = rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::CharacterDevice, mode, rustix::fs::makedev(1, 3));
    if !rustix::process::geteuid().is_root() {
        return assert!(made.is_err());
    }
    made.expect("a device");
    for desired in [file("text"), entry(Entry::Link("elsewhere".into()))] {
        let why = message(host(true).files().converge(&path, &Desired { follow: false, ..desired }));
        assert!(why.contains("device"), "{why}");
    }
    assert!(std::os::unix::fs::FileTypeExt::is_char_device(&fs::symlink_metadata(&path).expect("there").file_type()));
}

#[test]
fn content_by_hash_is_fetched_only_when_it_differs() {
    let dir = scratch();
    let path = dir.path().join("f");
    assert_eq!(lawful(&path, &entry(Entry::File(Content::Blob(HELLO.into())))).len(), 1);
    assert_eq!(fs::read_to_string(&path).expect("written"), "hello");
    let other = "0".repeat(64);
    assert!(message(host(false).files().converge(&path, &entry(Entry::File(Content::Blob(other))))).starts_with("no 000"));
}

#[test]
fn secret_and_binary_content_show_as_digests() {
    let dir = scratch();
    let path = dir.path().join("f");
    let shown = |changes: Vec<Change>| changes[0].fields.iter().find(|f| f.name == "content").expect("content").after.clone();
    let secret = shown(lawful(&path, &Desired { secret: true, ..file("hello") }));
    assert!(secret.has_secret() && !format!("{secret:?}").contains("hello"));
    let binary = shown(lawful(&path, &entry(Entry::File(Content::Bytes(vec![0xff, 0])))));
    assert!(binary.to_string().starts_with("sha256:") && binary.to_string().ends_with(" (2 bytes)"), "{binary}");
    let large = shown(lawful(&path, &file(&"x".repeat(300 << 10))));
    assert!(large.to_string().ends_with(" (307200 bytes)"), "{large}");
}

#[test]
fn directories_come_with_their_parents() {
    let dir = scratch();
    let path = dir.path().join("a/b/c");
    let desired = Desired { mode: Some(Mode::Symbolic("u=rwx,g=rx,o=".into())), ..entry(Entry::Directory) };
    let mut plan = host(false);
    plan.files().converge(&path, &desired).expect("plans");
    let planned = plan.finish();
    let mut live = host(true);
    live.files().converge(&path, &desired).expect("applies");
    assert_eq!(live.finish(), planned);
    let paths: Vec<_> = planned.iter().map(|c| c.name.clone()).collect();
    let expected: Vec<_> = ["a", "a/b", "a/b/c"].iter().map(|p| dir.path().join(p).display().to_string()).collect();
    assert_eq!(paths, expected);
    assert_eq!(fs::metadata(dir.path().join("a")).expect("there").mode() & 0o7777, 0o750);
    fs::write(path.join("deep"), "x").expect("written");
    assert_eq!(lawful(&dir.path().join("a"), &entry(Entry::Absent)).len(), 1);
}

#[test]
fn a_directory_with_the_setgid_bit_gives_its_group() {
    let dir = scratch();
    let parent = dir.path().join("shared");
    fs::create_dir(&parent).expect("made");
    if std::os::unix::fs::chown(&parent, None, Some(4711)).is_err() {
        say("a_directory_with_the_setgid_bit_gives_its_group runs without root: the group stays this user's own");
    }
    fs::set_permissions(&parent, fs::Permissions::from_mode(0o2775)).expect("set");
    lawful(&parent.join("f"), &file("x"));
    lawful(&parent.join("d"), &entry(Entry::Directory));
    let group = fs::metadata(&parent).expect("there").gid();
    assert_eq!(fs::metadata(parent.join("f")).expect("there").gid(), group);
    assert_eq!(fs::metadata(parent.join("d")).expect("there").mode() & 0o7777, 0o2755);
}

#[test]
fn links_are_made_turned_and_followed() {
    let dir = scratch();
    let (real, link) = (dir.path().join("real"), dir.path().join("link"));
    fs::write(&real, "x").expect("written");
    let made = lawful(&link, &entry(Entry::Link("real".into())));
    assert_eq!((made[0].kind.as_str(), names(&made[0])[..2].to_vec()), ("link", vec!["state", "target"]));
    lawful(&link, &file("through"));
    assert_eq!(fs::read_to_string(&real).expect("there"), "through");
    assert!(link.is_symlink());
    let turned = lawful(&link, &entry(Entry::Link("gone".into())));
    assert_eq!((names(&turned[0]), &turned[0].fields[0].before), (vec!["target"], &Value::str("real")));
    lawful(&link, &file("where it leads"));
    assert_eq!(fs::read_to_string(dir.path().join("gone")).expect("there"), "where it leads");
    lawful(&link, &Desired { follow: false, ..file("in its place") });
    assert!(!link.is_symlink());
    let hard = dir.path().join("hard");
    let made = lawful(&hard, &entry(Entry::Hard(real.clone())));
    assert_eq!(names(&made[0]), ["state", "target"]);
    assert_eq!(fs::metadata(&hard).expect("there").ino(), fs::metadata(&real).expect("there").ino());
    symlink("loop", dir.path().join("loop")).expect("made");
    assert!(message(host(true).files().stat_followed(&dir.path().join("loop"))).contains("too many links"));
    fs::create_dir(dir.path().join("full")).expect("made");
    fs::write(dir.path().join("full/x"), "x").expect("written");
    let refused = message(host(true).files().converge(&dir.path().join("full"), &entry(Entry::Link("real".into()))));
    assert!(refused.contains("not empty"), "{refused}");
}

#[test]
fn times_are_set_once() {
    let dir = scratch();
    let path = dir.path().join("f");
    let changes = lawful(&path, &Desired { times: (None, Some(1_000_000_000.5)), ..file("x") });
    assert!(names(&changes[0]).contains(&"modified"));
    let stat = host(true).files().stat(&path).expect("there").expect("there");
    assert!((stat.times.1 - 1_000_000_000.5).abs() < 1e-6);
    let attributes = Desired { times: (Some(5.0), Some(6.0)), follow: true, ..Desired::default() };
    assert_eq!(names(&lawful(&path, &attributes)[0]), ["accessed", "modified"]);
}

#[test]
fn a_plan_sees_what_it_wrote() {
    let dir = scratch();
    let (at, mut plan) = (dir.path().join("conf"), host(false));
    fs::create_dir(&at).expect("made");
    fs::write(at.join("old"), "old").expect("written");
    let mut files = plan.files();
    files.converge(&at.join("sub/deep"), &entry(Entry::Directory)).expect("plans");
    files.converge(&at.join("sub/deep/f"), &file("new")).expect("plans");
    files.converge(&at.join("link"), &entry(Entry::Link("sub/deep".into()))).expect("plans");
    files.converge(&at.join("old"), &entry(Entry::Absent)).expect("plans");
    assert_eq!(files.read(&at.join("link/f")).expect("read"), Some(b"new".to_vec()));
    assert_eq!(files.read(&at.join("sub/deep/../deep/f")).expect("read"), Some(b"new".to_vec()));
    assert_eq!(files.list(&at).expect("listed"), Some(vec!["link".to_string(), "sub".to_string()]));
    assert_eq!(files.stat(&at.join("old")).expect("looked"), None);
    assert_eq!(files.digest(&at.join("link/f"), "md5").expect("read").as_deref(), Some("22af645d1859cb5ca6da0c484f1f37ea"));
    files.converge(&at, &entry(Entry::Absent)).expect("plans");
    assert_eq!(files.stat(&at.join("sub/deep/f")).expect("looked"), None);
    files.converge(&at, &entry(Entry::Directory)).expect("plans");
    assert_eq!(files.list(&at).expect("listed"), Some(vec![]), "a directory made anew is empty");
    let bytes = plan.take_overlay();
    let mut other = host(false);
    other.put_overlay(&bytes).expect("travels");
    assert_eq!(other.files().list(&at).expect("listed"), Some(vec![]));
    assert_eq!(fs::read_to_string(at.join("old")).expect("untouched"), "old");
}

#[test]
fn after_a_program_ran_what_is_missing_is_unknown() {
    let dir = scratch();
    let (there, missing) = (dir.path().join("there"), dir.path().join("missing"));
    fs::write(&there, "x").expect("written");
    let mut plan = host(false);
    assert_eq!(plan.files().stat(&missing).expect("known"), None);
    assert!(plan.execute(&Command::new(["make", "it"])).expect("planned").is_none());
    let Err(Halt::Unknown(why)) = plan.files().stat(&missing) else { panic!("known") };
    assert!(why.contains("may be made by `make it`"), "{why}");
    assert!(matches!(plan.files().converge(&missing, &file("x")), Err(Halt::Unknown(_))));
    assert!(plan.files().stat(&there).expect("known").is_some());
    plan.files().converge(&there, &entry(Entry::Absent)).expect("planned");
    assert_eq!(plan.files().stat(&there).expect("removed since"), None);
}

#[test]
fn says_why_it_cannot() {
    let dir = scratch();
    fs::create_dir(dir.path().join("d")).expect("made");
    fs::write(dir.path().join("f"), "x").expect("written");
    for live in [false, true] {
        let mut host = host(live);
        let mut files = host.files();
        for (name, desired, expected) in [
            ("d", file("x"), "it is a directory"),
            ("no/f", file("x"), "/no does not exist"),
            ("f/g", file("x"), "/f is a file"),
            ("f", entry(Entry::Directory), "it exists as a file"),
            ("f/g", entry(Entry::Directory), "/f is a file"),
            ("no", Desired { mode: Some(Mode::Bits(0o600)), ..Desired::default() }, "it does not exist"),
            ("f", Desired { owner: Some("no-such-user".into()), ..Desired::default() }, "there is no user `no-such-user`"),
            ("h", entry(Entry::Hard("/no/such".into())), "that file does not exist"),
        ] {
            let found = message(files.converge(&dir.path().join(name), &desired));
            assert!(found.contains(expected), "{found}");
        }
        assert!(host.finish().is_empty(), "what failed is no change");
    }
}

#[test]
fn a_full_disk_keeps_the_old_file() {
    let dir = scratch();
    let mounted = std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "none"]).arg(dir.path()).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        say("a_full_disk_keeps_the_old_file is skipped: mounting a small file system needs root");
        return;
    }
    let path = dir.path().join("f");
    fs::write(&path, "old").expect("written");
    let found = message(host(true).files().converge(&path, &file(&"x".repeat(1 << 20))));
    let (kept, left) = (fs::read_to_string(&path), fs::read_dir(dir.path()).map(|entries| entries.count()));
    let unmounted = std::process::Command::new("umount").arg(dir.path()).status();
    assert!(found.ends_with("No space left on device"), "{found}");
    assert_eq!((kept.expect("there"), left.expect("listed")), ("old".to_string(), 1));
    assert!(unmounted.is_ok_and(|status| status.success()));
}

const KILLED: &str = "ENGINE_TEST_KILLED_WRITER";

#[test]
#[ignore = "it writes for ever: `a_write_killed_at_any_moment_leaves_old_or_new` runs and kills it"]
fn writes_for_ever() {
    let path = PathBuf::from(std::env::var_os(KILLED).expect("started by the other test"));
    for letter in ["a", "b"].into_iter().cycle() {
        let desired = Desired { mode: Some(Mode::Bits(0o640)), ..file(&letter.repeat(300_000)) };
        host(true).files().converge(&path, &desired).expect("written");
    }
}

#[test]
fn a_write_killed_at_any_moment_leaves_old_or_new() {
    let dir = scratch();
    let path = dir.path().join("f");
    let this = std::env::current_exe().expect("this program");
    for round in 0..12 {
        let mut writer = std::process::Command::new(&this)
            .args(["--exact", "host::files::tests::writes_for_ever", "--ignored"])
            .env(KILLED, &path)
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("started");
        for _ in 0..2000 {
            if path.exists() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        std::thread::sleep(std::time::Duration::from_micros(15_000 + 1_700 * round));
        writer.kill().expect("killed");
        writer.wait().expect("gone");
        let found = fs::read(&path).expect("there");
        assert_eq!((found.len(), found.iter().all(|byte| *byte == found[0])), (300_000, true), "old or new, never a mixture");
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o7777, 0o640);
    }
}

#[test]
fn what_a_kill_leaves_behind_is_in_nobodys_way() {
    let dir = scratch();
    let path = dir.path().join("f");
    fs::write(&path, "old").expect("written");
    let left = system::Temporary::beside(dir.path(), "f").expect("made");
    assert_eq!(fs::metadata(&left.path).expect("there").mode() & 0o7777, 0o600);
    std::mem::forget(left);
    assert_eq!(fs::read_to_string(&path).expect("there"), "old");
    lawful(&path, &file("new"));
}

#[test]
fn backs_up_and_validates() -> io::Result<()> {
    let dir = scratch();
    let path = dir.path().join("f");
    fs::write(&path, "old")?;
    let mut live = host(true);
    let copy = live.files().backup(&path).expect("copied");
    assert_eq!(fs::read_to_string(&copy)?, "old");
    assert!(copy.display().to_string().ends_with('~'));
    assert!(live.finish().is_empty());
    for live in [false, true] {
        let mut host = host(live);
        host.files().validate(b"good\n", "grep -q good %s").expect("valid");
        let refused = message(host.files().validate(b"bad\n", "sh -c 'echo wrong: $0; exit 4' %s"));
        assert!(refused.contains("refuses the new content: exit code 4: wrong: "), "{refused}");
        assert!(message(host.files().validate(b"", "true")).contains("must contain %s"));
    }
    let mut plan = host(false);
    plan.files().converge(&path, &entry(Entry::Absent)).expect("planned");
    plan.files().validate(b"bad", "no-such-program %s").expect("a plan cannot tell any more");
    Ok(())
}
