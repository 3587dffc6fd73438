//! The command line; everything is in the room `cli`.

fn main() -> std::process::ExitCode {
    rozen::cli::main()
}
