//! `taugrid-worker`.

fn main() -> std::process::ExitCode {
    taugrid_worker::command::main()
}
