use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::sys::process::Pid;

/// A process that has started its program, and ends when this is dropped.
struct Running {
    child: Child,
    input: Option<ChildStdin>,
}

impl Running {
    /// Starts something that echoes a line; its echo shows that it runs the program.
    fn start(command: &mut Command) -> Option<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = loop {
            match command.spawn() {
                Ok(child) => break child,
                // A process that another test started has the copy open for writing until it executes.
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
                Err(_) => return None,
            }
        };
        let mut input = child.stdin.take().expect("stdin");
        // Who could not start has closed its end.
        let written = input.write_all(b"x\n");
        let mut echo = [0; 2];
        let read = child.stdout.as_mut().expect("stdout").read_exact(&mut echo);
        let running = Self { child, input: Some(input) };
        written.and(read).is_ok().then_some(running)
    }

    fn process(&self, kernel: &Kernel) -> Process {
        Process::open(kernel, Pid::new(self.child.id().cast_signed()).expect("a pid")).expect("open")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.input.take());
        drop(self.child.wait());
    }
}

/// A directory that is gone with the test.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sentinel-program-{}-{number}", std::process::id()));
        fs::create_dir(&path).expect("a directory");
        Self(path.canonicalize().expect("a path"))
    }

    /// A copy of a program.
    fn copy(&self, of: &Path, name: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::copy(of, &path).expect("a copy");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// `cat` as the system has it; `None`, said by name, where it is not a root-owned program of its own.
fn cat(test: &str) -> Option<(Kernel, PathBuf)> {
    let kernel = Kernel::probe().expect("a tier");
    let path = ["/usr/bin/cat", "/bin/cat"].into_iter().find_map(|path| Path::new(path).canonicalize().ok());
    let usable = path.filter(|path| kernel.overflow().holds_every_uid() && named(path).is_ok() && open(path).is_ok());
    if usable.is_none() {
        eprintln!("skipped: {test}: there is no cat that is root's and a program of its own");
    }
    usable.map(|path| (kernel, path))
}

#[test]
fn a_program_of_root_is_its_path_and_its_digest() {
    let Some((kernel, path)) = cat("a_program_of_root_is_its_path_and_its_digest") else { return };
    let programs = Programs::new(&kernel, None);
    let running = Running::start(&mut Command::new(&path)).expect("cat");
    let digest = hex(&crate::digest::sha256(&fs::read(&path).expect("the file")));
    let expected = Program { path: path.to_str().expect("UTF-8").to_owned(), sha256: digest };
    let process = running.process(&kernel);
    assert_eq!(programs.attest(&process), Ok(expected.clone()));
    assert_eq!(programs.known().len(), 1);
    assert_eq!(programs.attest(&process), Ok(expected));
    assert_eq!(programs.known().len(), 1, "its digest was remembered");
    drop(running);
    let ended = format!("pid {} has ended, or may not be looked into", process.pid());
    assert_eq!(programs.attest(&process), Err(ended));
}

#[test]
fn a_copy_of_a_program_where_others_write_is_not_attested() {
    let Some((kernel, path)) = cat("a_copy_of_a_program_where_others_write_is_not_attested") else { return };
    let directory = Directory::new();
    let running = Running::start(&mut Command::new(directory.copy(&path, "terraform"))).expect("the copy");
    let refused = Programs::new(&kernel, None).attest(&running.process(&kernel)).expect_err("a refusal");
    // Whichever comes first from the root: a directory for everybody, or one of this user's.
    let expected = ["may be written by others than root (mode ", "belongs to uid "];
    assert!(expected.iter().any(|part| refused.contains(part)), "{refused}");
}

#[test]
fn a_program_that_was_deleted_or_replaced_is_not_attested() {
    let Some((kernel, path)) = cat("a_program_that_was_deleted_or_replaced_is_not_attested") else { return };
    let directory = Directory::new();
    let copy = directory.copy(&path, "terraform");
    let running = Running::start(&mut Command::new(&copy)).expect("the copy");
    fs::remove_file(&copy).expect("removed");
    let deleted = format!("{} was deleted or replaced since it was started", copy.display());
    let programs = Programs::new(&kernel, None);
    assert_eq!(programs.attest(&running.process(&kernel)), Err(deleted.clone()));
    directory.copy(&path, "terraform");
    assert_eq!(programs.attest(&running.process(&kernel)), Err(deleted));
}

/// In a mount namespace of its own the path of a program can be anything.
#[test]
fn a_file_that_is_mounted_over_a_program_is_not_that_program() {
    let test = "a_file_that_is_mounted_over_a_program_is_not_that_program";
    let Some((kernel, path)) = cat(test) else { return };
    let Some(victim) = ["/usr/bin/tac", "/usr/bin/expr"].iter().find(|path| open(Path::new(path)).is_ok()) else {
        eprintln!("skipped: {test}: there is no second program of root");
        return;
    };
    let directory = Directory::new();
    let impostor = directory.copy(&path, "impostor");
    let script = r#"mount --bind "$0" "$1" && exec "$1""#;
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-c", script]).arg(&impostor).arg(victim);
    let Some(running) = Running::start(&mut command) else {
        eprintln!("skipped: {test}: no mounts in a user namespace here");
        return;
    };
    let process = running.process(&kernel);
    assert_eq!(process.executable().as_deref(), Some(Path::new(victim)), "what the kernel says is the path alone");
    let refused = Programs::new(&kernel, None).attest(&process);
    assert_eq!(refused, Err(format!("pid {} runs another file than what is {victim} here", process.pid())));
}

#[test]
fn a_script_is_its_interpreter_which_attests_nothing() {
    let Some((kernel, _)) = cat("a_script_is_its_interpreter_which_attests_nothing") else { return };
    let directory = Directory::new();
    let script = directory.0.join("terraform");
    fs::write(&script, "#!/bin/sh\nread line\necho \"$line\"\nread line\n").expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("chmod");
    let running = Running::start(&mut Command::new(&script)).expect("the script");
    let refused = Programs::new(&kernel, None).attest(&running.process(&kernel)).expect_err("a refusal");
    assert!(refused.ends_with(" runs what it is given, so it attests nothing"), "{refused}");
    assert!(!refused.contains("terraform"), "{refused}");
}

#[test]
fn our_own_helper_speaks_for_a_program_that_it_does_not_name() {
    let kernel = Kernel::probe().expect("a tier");
    let process = Process::open(&kernel, crate::sys::process::own_pid().expect("a pid")).expect("open");
    let programs = Programs::new(&kernel, process.executable_identity());
    assert_eq!(programs.attest(&process), Err(OWN_HELPER.to_owned()));
}

#[test]
fn in_a_user_namespace_uid_0_is_not_root() {
    let Some((kernel, path)) = cat("in_a_user_namespace_uid_0_is_not_root") else { return };
    let running = Running::start(&mut Command::new(&path)).expect("cat");
    let programs = Programs { own: None, root_is_root: false, digests: Mutex::default() };
    let refused = "uid 0 of this user namespace may be anybody outside of it";
    assert_eq!(programs.attest(&running.process(&kernel)), Err(refused.to_owned()));
}

#[test]
fn a_path_is_roots_if_root_alone_can_change_it() {
    let path = Path::new("/opt/x");
    let judged = |owner, mode| of_root_alone(path, Uid(owner), mode);
    for mode in [0o100_755, 0o100_555, 0o104_755, 0o040_755] {
        assert_eq!(judged(0, mode), Ok(()));
    }
    assert_eq!(judged(1000, 0o100_755), Err("/opt/x belongs to uid 1000, not to root".to_owned()));
    for (mode, shown) in [(0o100_775, "0775"), (0o100_757, "0757"), (0o041_777, "1777")] {
        assert_eq!(judged(0, mode), Err(format!("/opt/x may be written by others than root (mode {shown})")));
    }
}

#[test]
fn a_link_and_a_directory_are_not_programs() {
    let Some((_, path)) = cat("a_link_and_a_directory_are_not_programs") else { return };
    let name = path.parent().expect("a directory").display().to_string();
    assert_eq!(open(Path::new(&name)).err(), Some(format!("{name} is not a regular file here")));
    // /proc/self is a link in a directory of root's.
    let refused = open(Path::new("/proc/self/exe")).err();
    assert_eq!(refused.as_deref(), Some("/proc/self is not a directory here"));
}

#[test]
fn names_that_say_nothing_are_refused() {
    for (path, expected) in [
        ("/memfd:x (deleted)", "/memfd:x was deleted or replaced since it was started"),
        ("/usr/bin/python3.11", "/usr/bin/python3.11 runs what it is given, so it attests nothing"),
        ("/lib64/ld-linux-x86-64.so.2", "/lib64/ld-linux-x86-64.so.2 runs what it is given, so it attests nothing"),
        ("(unreachable)/usr/bin/aws", "(unreachable)/usr/bin/aws is not a path from the root"),
        ("/", "/ is not a path from the root"),
    ] {
        assert_eq!(named(Path::new(path)), Err(expected.to_owned()));
    }
    assert_eq!(named(Path::new("/usr/bin/terraform")), Ok("/usr/bin/terraform".to_owned()));
}
