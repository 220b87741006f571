//! Programs that run what they are given: that one of them runs does not say whose code runs.

/// Shells, languages, machines and wrappers, by the name that their file has without a version.
const NAMES: &str = "\
    ash awk bash beam.smp bun busybox csh dash deno dotnet env erl expect fish gawk gdb gjs gjs-console groovy guile irb \
    java jshell julia ksh lua luajit mawk micropython mksh mono mono-sgen nawk node nodejs octave octave-cli osascript perl \
    php php-cgi php-fpm pwsh pypy python qjs r racket rbash rscript ruby sash sbcl scala sh strace su sudo swipl tclsh tcsh \
    toybox wine wish xargs yash zsh";

/// Whether a file of this name is an interpreter or a dynamic loader: `sh`, `python3.11`, `ld-linux-x86-64.so.2`.
pub fn is_interpreter(file_name: &str) -> bool {
    let name = file_name.to_ascii_lowercase();
    let is_named = |known: &str| name.strip_prefix(known).is_some_and(is_version);
    is_loader(&name) || name.starts_with("qemu-") || NAMES.split(' ').any(is_named)
}

/// What follows the name: nothing, or something that begins like `3.11`, `-5.1`, `.4`, or `-static`, as Debian's bash has it.
fn is_version(rest: &str) -> bool {
    rest.is_empty()
        || matches!(rest, "-static" | ".static")
        || rest.trim_start_matches(['-', '.']).starts_with(|first: char| first.is_ascii_digit())
}

/// A loader runs the program that it is given. It has the name of a library, and musl's may be the C library itself.
fn is_loader(name: &str) -> bool {
    name.ends_with(".so") || name.contains(".so.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_others_code_is_known_under_its_versions() {
        let names = "sh bash dash zsh python python3 python3.11 python3.11-dbg Python perl5.36.0 ruby3.1 node java \
                     php8.2 php-fpm8.2 lua5.4 busybox env bash-5.1 R ld-linux-x86-64.so.2 ld-linux.so.2 \
                     ld-musl-x86_64.so.1 libc.so ld-2.31.so ld.so ld64.so.2 qemu-aarch64-static \
                     bash-static busybox.static mono-sgen gjs-console";
        for name in names.split(' ') {
            assert!(is_interpreter(name), "{name}");
        }
    }

    #[test]
    fn other_programs_are_programs() {
        let names = "terraform aws ssh so sort node_exporter javac shfmt pythonista ld ldap kubectl rclone envoy";
        for name in names.split(' ') {
            assert!(!is_interpreter(name), "{name}");
        }
    }
}
