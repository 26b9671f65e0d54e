//! `taugrid-coordinator`.

fn main() -> std::process::ExitCode {
    taugrid_coordinator::command::main()
}
