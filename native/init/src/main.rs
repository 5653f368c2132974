//! `tsrunc-init SOCKET`: see gate.rs. Not for people: the runtime executes it.

fn main() {
    let socket = std::env::args().nth(1).and_then(|number| number.parse().ok());
    std::process::exit(match socket {
        Some(number) => tsrunc_init::gate::run(number),
        None => 255,
    });
}
