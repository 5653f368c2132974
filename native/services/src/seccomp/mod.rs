//! Seccomp filters: compiles a profile to the BPF program that the init loads, and caches it.

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
pub use listener::{process_state, send_listener};

/// A filter that the init can load.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    pub program: Vec<Instruction>,
    /// Flags of seccomp(2).
    pub flags: u32,
    /// The agent that gets the listener. Present exactly if the flags ask for a listener.
    pub listener: Option<SeccompListener>,
    /// Warnings for each container that is created with it.
    pub warnings: Vec<Warning>,
}

impl Filter {
    /// The part that the init needs.
    pub fn for_init(&self) -> SeccompFilter {
        SeccompFilter { program: self.program.clone(), flags: self.flags }
    }

    /// The listenerMetadata of config.json.
    pub fn metadata(&self) -> Option<&str> {
        self.listener.as_ref().and_then(|listener| listener.metadata.as_deref())
    }
}

/// The seccomp profile of a container that is to be created.
pub struct Seccomp {
    /// The key of the filter in the cache. None if the profile was not found in the text of a configuration.
    key: Option<Vec<u8>>,
    filter: Option<Filter>,
    is_cached: bool,
}

impl Seccomp {
    /// Finds the profile in a configuration. If its filter is cached in the state root `root`, returns the configuration with a placeholder in place of
    /// the profile. Without a `root` nothing is looked up.
    pub fn take_from(mut config: String, root: Option<&str>) -> (String, Option<Self>) {
        let Some(place) = text::find(&config) else { return (config, None) };
        let key = key(&config[place.clone()]);
        let filter = root.and_then(|root| cache::find(root, &key));
        if filter.is_some() {
            config.replace_range(place, text::PLACEHOLDER);
        }
        (config, Some(Seccomp { key: Some(key), is_cached: filter.is_some(), filter }))
    }

    /// Compiles the filter. `from`: what `take_from` found, if anything.
    pub fn compile(from: Option<Self>, profile: &SeccompProfile) -> Result<Self, Failure> {
        let filter = compile::compile(profile)?;
        Ok(Seccomp { key: from.and_then(|from| from.key), filter: Some(filter), is_cached: false })
    }

    pub fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
    }

    /// Saves the filter in the cache, for the next container with this profile, and in the container's state directory, for `exec`.
    ///
    /// # Errors
    /// It cannot be saved in the state directory.
    pub fn keep(&self, lock: &Lock) -> Result<(), Failure> {
        let Some(filter) = &self.filter else { return Ok(()) };
        if let (Some(key), false) = (&self.key, self.is_cached) {
            // Ignored: without the cache the next create is only slower.
            if let Err(_not_cached) = cache::insert(lock.root_fd(), key, filter) {}
        }
        cache::save_for_container(lock.dir_fd(), filter).during(|| format!("keep the seccomp filter in {:?}", lock.path()))
    }
}

/// The filter of an existing container, for a process of `exec`. `directory`: the container's trusted state directory.
///
/// # Errors
/// The file is missing or damaged; without the error the process would run unconfined.
pub fn of_container(directory: BorrowedFd<'_>) -> Result<Filter, Failure> {
    let cause = "its file in the state directory is missing or damaged";
    cache::read_of_container(directory).ok_or_else(|| Failure::new(FailureCode::Other, "confine the process (/linux/seccomp)", cause))
}

/// The key of a filter in the cache: everything that the filter depends on, which is the versions of tsrunc and libseccomp, the kernel, and the
/// profile.
fn key(profile: &str) -> Vec<u8> {
    let kernel = rustix::system::uname();
    let facts = [env!("CARGO_PKG_VERSION").as_bytes(), libseccomp::version().as_bytes(), kernel.release().to_bytes(), kernel.machine().to_bytes()].join(&b' ');
    [&facts, profile.as_bytes()].join(&b'\n')
}

#[cfg(test)]
mod tests;
