//! The agent, in the foreground; everything is in the room `daemon`.

fn main() -> std::process::ExitCode {
    rozen::cli::agent_main()
}
