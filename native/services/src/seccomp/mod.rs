//! Filters of system calls: from a profile to the program that the init loads, and where it is kept for the next container.

mod bpf;
mod cache;
mod compile;
mod flatten;
mod listener;
mod newer;
mod text;

use std::os::fd::BorrowedFd;

use tsrunc_common::protocol::SeccompFilter;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::seccomp::{SeccompListener, SeccompProfile};
use tsrunc_plan::warning::Warning;
use tsrunc_sys::errno::During;
use tsrunc_sys::libseccomp;
use tsrunc_sys::seccomp::Instruction;

use crate::store::Lock;

pub use compile::facts;
pub use listener::{hand_over, process_state};

/// A filter that the init can load.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    pub program: Vec<Instruction>,
    /// Of seccomp(2).
    pub flags: u32,
    /// Who gets the listener. Present exactly where the flags ask for one.
    pub listener: Option<SeccompListener>,
    /// What to tell whoever makes a container with it.
    pub warnings: Vec<Warning>,
}

impl Filter {
    /// What the init needs of it.
    pub fn for_init(&self) -> SeccompFilter {
        SeccompFilter { program: self.program.clone(), flags: self.flags }
    }

    /// What config.json wants the receiver of the listener to be told.
    pub fn metadata(&self) -> Option<&str> {
        self.listener.as_ref().and_then(|listener| listener.metadata.as_deref())
    }
}

/// The seccomp profile of one container to be.
pub struct Seccomp {
    /// By which the filter is kept; None for one that was not found in a configuration.
    key: Option<Vec<u8>>,
    filter: Option<Filter>,
    is_kept: bool,
}

impl Seccomp {
    /// The profile in a configuration, and that configuration without it if its filter is kept below the state directory `root`.
    pub fn take_from(mut config: String, root: &str) -> (String, Option<Self>) {
        let Some(place) = text::find(&config) else { return (config, None) };
        let key = key(&config[place.clone()]);
        let filter = cache::find(root, &key);
        if filter.is_some() {
            config.replace_range(place, text::STAND_IN);
        }
        (config, Some(Seccomp { key: Some(key), is_kept: filter.is_some(), filter }))
    }

    /// Makes the filter. `from`: what `take_from` found, if anything.
    pub fn compile(from: Option<Self>, profile: &SeccompProfile) -> Result<Self, Failure> {
        let filter = compile::compile(profile)?;
        Ok(Seccomp { key: from.and_then(|from| from.key), filter: Some(filter), is_kept: false })
    }

    pub fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
    }

    /// Keeps the filter for the next container with this profile, and in the container's state directory for the processes that `exec` brings in.
    ///
    /// # Errors
    /// It cannot be kept in the state directory.
    pub fn keep(&self, lock: &Lock) -> Result<(), Failure> {
        let Some(filter) = &self.filter else { return Ok(()) };
        if let (Some(key), false) = (&self.key, self.is_kept) {
            // Without it the next container takes longer to make, that is all.
            if let Err(_not_kept) = cache::keep(lock.root_fd(), key, filter) {}
        }
        cache::keep_for(lock.dir_fd(), filter).during(|| format!("keep the seccomp filter in {:?}", lock.path()))
    }
}

/// The filter of a container, for a process that is brought into it. `directory`: its state directory, which is trusted.
///
/// # Errors
/// The file is missing or damaged: the process would run unconfined.
pub fn of_container(directory: BorrowedFd<'_>) -> Result<Filter, Failure> {
    let cause = "its file in the state directory is missing or damaged";
    cache::read_for(directory).ok_or_else(|| Failure::new(FailureCode::Other, "confine the process (/linux/seccomp)", cause))
}

/// Everything that a filter depends on: the versions of this program and of libseccomp, the kernel with its flags and actions, the profile.
fn key(profile: &str) -> Vec<u8> {
    let kernel = rustix::system::uname();
    let facts = [env!("CARGO_PKG_VERSION").as_bytes(), libseccomp::version().as_bytes(), kernel.release().to_bytes(), kernel.machine().to_bytes()].join(&b' ');
    [&facts, profile.as_bytes()].join(&b'\n')
}

#[cfg(test)]
mod tests;
