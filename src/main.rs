//! The `sentinel` program. Everything that it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    sentinel::cli::main()
}
