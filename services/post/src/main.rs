//! The post service on its own; `--help` is its reference.

fn main() -> std::process::ExitCode {
    chassis::main(post::service)
}
