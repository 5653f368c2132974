//! The container's init as a program of its own, for the Node host.

fn main() {
    std::process::exit(tsrunc_init::main(std::env::args_os()));
}
