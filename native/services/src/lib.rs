//! What a host of the core does to the system, behind one door (door.rs). Runs in the runtime's own process.

mod bind_sources;
mod cgroup;
mod cgroup_mounts;
mod clock;
mod clone;
mod conversation;
mod create;
pub mod door;
mod drafts;
mod facts;
mod files;
mod foreground;
mod gate;
mod holder;
mod idmap;
pub mod init_program;
mod interrupts;
mod joins;
mod mapped_mounts;
mod net_devices;
mod netlink;
mod notify;
mod opened;
mod pending;
mod preserved;
mod processes;
mod resctrl;
mod schedule;
mod seccomp;
mod state_root;
mod store;
mod systemd;
mod terminal;
#[cfg(test)]
mod testing;
mod trust;
mod undo;
