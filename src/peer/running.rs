//! What program a process runs, and whether it still does.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::kernel::Kernel;
use super::process::Process;

/// The program that a process ran when this was made.
#[derive(Debug)]
pub(super) struct Running {
    /// `None` where it may not be seen (a process that is not dumpable).
    image: Option<Image>,
    executable: Option<PathBuf>,
}

/// An address space. execve(2) gives a process a new one.
///
/// These files of /proc/PID stay with the address space of the moment of opening: once nobody has it any more, reading gives
/// nothing. So one pread(2) tells that another program was executed, where device and inode of the executable would miss a program
/// that executes itself again. Who shares another's address space (vfork(2), CLONE_VM) keeps it while they do.
#[derive(Debug)]
enum Image {
    /// `pagemap`. It is read in entries of eight bytes: one byte is refused, once the address space has been found to be there.
    /// So nothing of the process is read, which takes a sixth of the time.
    Pages(File),
    /// `environ`, where the kernel has no pagemap (CONFIG_PROC_PAGE_MONITOR), or is one from before PIDFD_GET_INFO.
    Environment(File),
}

impl Running {
    /// What this process runs now.
    pub(super) fn of(process: &Process, kernel: &Kernel) -> Self {
        // In this order: a program that is executed in between is not the one whose image is watched.
        let image = Image::of(process, kernel);
        Self { image, executable: process.executable() }
    }

    /// Whether it can be told from others.
    pub(super) fn is_watched(&self) -> bool {
        self.image.is_some()
    }

    /// Whether it is known not to have ended.
    pub(super) fn is_current(&self) -> bool {
        self.image.as_ref().is_some_and(Image::is_current)
    }

    /// Whether it is known to have ended.
    pub(super) fn has_ended(&self) -> bool {
        self.image.as_ref().is_some_and(|image| !image.is_current())
    }

    /// Its path, to be shown and not to be trusted.
    pub(super) fn executable(&self) -> Option<&PathBuf> {
        self.executable.as_ref()
    }
}

impl Image {
    fn of(process: &Process, kernel: &Kernel) -> Option<Self> {
        let open = |name| process.file(name).ok();
        // Before Linux 4.2 it was refused in another order. PIDFD_GET_INFO is far younger.
        let pages = kernel.has_get_info().then(|| open("pagemap")).flatten().map(Self::Pages).filter(Self::is_current);
        pages.or_else(|| open("environ").map(Self::Environment).filter(Self::is_current))
    }

    fn is_current(&self) -> bool {
        match self {
            Self::Pages(file) => {
                file.read_at(&mut [0; 1], 0).is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL))
            }
            Self::Environment(file) => file.read_at(&mut [0; 1], 0).is_ok_and(|read| read == 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};
    use std::sync::Arc;

    use super::*;
    use crate::sys::process::Pid;

    #[test]
    fn another_program_is_told_from_the_first_and_from_none() {
        let kernel = Kernel::probe().expect("a tier");
        // The same program again, in the same process.
        let script = "echo; read line; exec sh -c 'echo; read line'";
        let mut shell =
            Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sh");
        let mut said = BufReader::new(shell.stdout.take().expect("stdout")).lines();
        // Its answer shows that it is past exec, which sets up the environment's place last of all.
        let mut hear = || said.next().expect("a line").expect("text");
        hear();
        let pid = Pid::new(shell.id().cast_signed()).expect("a pid");
        let process = Process::open(&kernel, pid).expect("open");
        let first = process.running(&kernel);
        let by_environment = Image::Environment(process.file("environ").expect("its own user's"));
        assert!(first.is_watched() && !first.has_ended() && by_environment.is_current());
        assert!(Arc::ptr_eq(&process.running(&kernel), &first));

        let mut input = shell.stdin.take().expect("stdin");
        input.write_all(b"\n").expect("written");
        hear();
        assert!(first.has_ended() && !by_environment.is_current());
        let second = process.running(&kernel);
        assert!(second.is_watched() && !second.has_ended());
        assert_eq!(second.executable(), first.executable());

        drop(input);
        shell.wait().expect("wait");
        assert!(second.has_ended());
        assert!(!process.running(&kernel).is_watched());
    }
}
