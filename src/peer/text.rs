//! The kernel's texts under /proc: what they say of a process. Pure and total: any text is understood or is `None`.

use super::process::Facts;
use crate::sys::process::Pid;
use crate::sys::user::{Gid, Uid};

/// Ids and parent in /proc/PID/status. No name can forge a line: the kernel escapes its line feeds.
pub fn facts(status: &str) -> Option<Facts> {
    let number = |name: &str, column: usize| -> Option<u32> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().nth(column)?.parse().ok()
    };
    let pid = Pid::new(number("Tgid:", 0)?.cast_signed())?;
    let parent = Pid::new(number("PPid:", 0)?.cast_signed());
    // The columns are real, effective, saved and filesystem ids (proc_pid_status(5)).
    Some(Facts { pid, parent, uid: Uid(number("Uid:", 1)?), gid: Gid(number("Gid:", 1)?) })
}

/// The state letter of /proc/PID/stat: behind the LAST `)`, because the name before it may hold anything.
pub fn state(stat: &str) -> Option<char> {
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// Whether /proc/self/status shows this process under the number that it has for itself, and under no other.
///
/// `NSpid` holds its numbers from the pid namespace of that /proc down to its own (proc_pid_status(5), Linux 4.1): one
/// number where both are one namespace. A /proc of a namespace outside shows two, even if they happen to be equal.
pub fn shows_only(status: &str, pid: Pid) -> bool {
    let numbers = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::split_whitespace);
    let own = pid.to_string();
    numbers("NSpid:").or_else(|| numbers("Tgid:")).is_some_and(|numbers| numbers.eq([own.as_str()]))
}

/// Whether CAP_SYS_PTRACE, number 19, is among the effective capabilities of /proc/PID/status.
pub fn may_trace(status: &str) -> bool {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).is_some_and(|set| set >> 19 & 1 == 1)
}

/// Whether the ranges of a uid_map or gid_map cover all ids (user_namespaces(7)).
pub fn map_is_total(map: &str) -> bool {
    let lengths = map.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
    lengths.fold(0, u64::saturating_add) >= u64::from(u32::MAX)
}

/// The path in the cgroup v2 hierarchy, of /proc/PID/cgroup (cgroups(7)); `None` where it is outside of what is visible here.
pub fn unified_cgroup(text: &str) -> Option<&str> {
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    let path = path.strip_suffix(" (deleted)").map_or(Some(path), |_| None)?;
    (path.starts_with('/') && !path.split('/').any(|part| part == "..")).then_some(path)
}

/// Where the cgroup v2 hierarchy is mounted, from its root (proc_pid_mountinfo(5)).
pub fn cgroup_mount(mounts: &str) -> Option<&str> {
    mounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let kind = fields.iter().skip_while(|field| **field != "-").nth(1)?;
        (*kind == "cgroup2" && fields.get(3) == Some(&"/")).then(|| fields.get(4).copied()).flatten()
    })
}

/// The type of the file system that is mounted from this device (proc_pid_mountinfo(5)).
pub fn file_system(mounts: &str, device: u64) -> Option<&str> {
    // As stat(2) packs the two numbers.
    let major = (device >> 8) & 0xfff | (device >> 32) & !0xfff;
    let minor = device & 0xff | (device >> 12) & 0xfff_ff00;
    let numbers = format!("{major}:{minor}");
    let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some(numbers.as_str()))?;
    // Before the hyphen are optional fields; no path can forge it, because the kernel escapes spaces.
    mount.split(' ').skip_while(|field| *field != "-").nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mounts_type_is_behind_the_hyphen() {
        let mounts = "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n\
                      30 22 0:45 / /mnt/a\\040- rw,nosuid - fuse.sshfs h:/ rw\n\
                      31 22 259:70000 / /x rw shared:2 master:1 - xfs /dev/n rw\n32 22 0:46 / /cut rw";
        assert_eq!(file_system(mounts, 8 << 8 | 1), Some("ext4"));
        assert_eq!(file_system(mounts, 45), Some("fuse.sshfs"));
        let large = (70_000 & 0xff) | (259 << 8) | ((70_000 & !0xff) << 12);
        assert_eq!(file_system(mounts, large), Some("xfs"));
        assert_eq!(file_system(mounts, 46), None);
        assert_eq!(file_system(mounts, 47), None);
        assert_eq!(file_system("", 1), None);
    }

    #[test]
    fn a_cgroup_is_the_path_behind_the_empty_controller_if_it_is_visible() {
        assert_eq!(unified_cgroup("9:name=systemd:/x\n0::/a.slice/b.service\n"), Some("/a.slice/b.service"));
        assert_eq!(unified_cgroup("0::/"), Some("/"));
        for text in ["", "1::/x\n", "0::/../x\n", "0::x\n", "0::/x (deleted)\n"] {
            assert_eq!(unified_cgroup(text), None, "{text}");
        }
        let mounts = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 22 0:9 /sub /mnt rw - cgroup2 cgroup2 rw\n\
                      31 22 0:9 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n";
        assert_eq!(cgroup_mount(mounts), Some("/sys/fs/cgroup"));
        assert_eq!(cgroup_mount("30 22 0:9 /sub /mnt rw - cgroup2 cgroup2 rw\n"), None);
    }

    #[test]
    fn who_may_trace_has_the_nineteenth_bit() {
        assert!(may_trace("Name:\tx\nCapEff:\t0000000000080000\n") && may_trace("CapEff:\t000001ffffffffff"));
        for status in ["", "CapEff:\t0000000000000000\n", "CapPrm:\t0000000000080000\n", "CapEff:\tx\n"] {
            assert!(!may_trace(status), "{status}");
        }
    }

    #[test]
    fn the_effective_ids_are_the_second_column() {
        let status = "Name:\tx\\nUid:\t0\nTgid:\t7\nPPid:\t1\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n";
        let pid = Pid::new(7).expect("a pid");
        assert_eq!(facts(status), Some(Facts { pid, parent: Pid::new(1), uid: Uid(2), gid: Gid(6) }));
        assert_eq!(facts("Tgid:\t0\nPPid:\t1\nUid:\t1\t2\nGid:\t5\t6\n"), None);
        assert_eq!(facts("Tgid:\t7\nPPid:\t1\nUid:\t1\nGid:\t5\t6\n"), None);
    }

    #[test]
    fn the_state_is_behind_the_last_parenthesis() {
        assert_eq!(state("7 (a) R) S 1 7 7"), Some('S'));
        assert_eq!(state("7 (x"), None);
    }

    #[test]
    fn a_map_is_total_only_if_it_holds_every_id() {
        assert!(map_is_total("         0          0 4294967295\n"));
        assert!(!map_is_total("         0       1000          1\n"));
        assert!(!map_is_total("0 1000 1\n1 100000 65536\n"));
        assert!(!map_is_total(""));
        assert!(map_is_total(&format!("0 0 {0}\n0 0 {0}\n", u64::MAX)), "without overflow");
    }

    #[test]
    fn a_proc_is_ours_if_it_knows_this_process_by_one_number() {
        let pid = Pid::new(7).expect("a pid");
        assert!(shows_only("Name:\tx\nTgid:\t7\nNSpid:\t7\n", pid));
        assert!(shows_only("Name:\tx\nTgid:\t7\n", pid));
        assert!(!shows_only("Tgid:\t9\nNSpid:\t9\t7\n", pid));
        assert!(!shows_only("Tgid:\t7\nNSpid:\t7\t7\n", pid));
        assert!(!shows_only("Tgid:\t9\n", pid));
        assert!(!shows_only("", pid));
    }
}
