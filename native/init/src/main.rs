//! The container's init as a separate executable, for the Node host.

fn main() {
    std::process::exit(tsrunc_init::main(std::env::args_os()));
}
