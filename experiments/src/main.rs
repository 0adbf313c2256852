//! The command line. Everything it does is in the library; here are only words and numbers on a terminal.

mod cli;
mod terminal;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
