//! Objects that live longer than a request. The core refers to them by number.

use std::collections::HashMap;

use tsrunc_plan::failure::{Failure, FailureCode};

use crate::criu;
use crate::events::Events;
use crate::held_process::HeldProcess;
use crate::notify::Proxy;
use crate::seccomp::Seccomp;
use crate::store::Lock;

pub enum Handle {
    Lock(Lock),
    Process(Box<HeldProcess>),
    Notify(Proxy),
    Seccomp(Box<Seccomp>),
    Events(Box<Events>),
    Criu(Box<criu::Session>),
}

/// The open handles. Every accessor fails for a number that is not open or of another kind.
pub struct Handles {
    open: HashMap<u32, Handle>,
    next: u32,
}

impl Handles {
    pub fn new() -> Self {
        Handles { open: HashMap::new(), next: 1 }
    }

    /// Adds an object. Returns its number.
    pub fn insert(&mut self, handle: Handle) -> u32 {
        let number = self.next;
        self.next += 1;
        self.open.insert(number, handle);
        number
    }

    /// Drops an object.
    pub fn close(&mut self, number: u32) -> Result<(), Failure> {
        self.open.remove(&number).map(drop).ok_or_else(|| unknown(number))
    }

    /// Whether any container is locked or any process is held.
    pub fn has_container(&self) -> bool {
        self.open.values().any(|handle| matches!(handle, Handle::Lock(_) | Handle::Process(_)))
    }

    pub fn lock(&self, number: u32) -> Result<&Lock, Failure> {
        match self.open.get(&number) {
            Some(Handle::Lock(lock)) => Ok(lock),
            _ => Err(unknown(number)),
        }
    }

    pub fn process(&mut self, number: u32) -> Result<&mut HeldProcess, Failure> {
        match self.open.get_mut(&number) {
            Some(Handle::Process(process)) => Ok(process),
            _ => Err(unknown(number)),
        }
    }

    pub fn events(&mut self, number: u32) -> Result<&mut Events, Failure> {
        match self.open.get_mut(&number) {
            Some(Handle::Events(events)) => Ok(events),
            _ => Err(unknown(number)),
        }
    }

    pub fn notify(&self, number: u32) -> Result<&Proxy, Failure> {
        match self.open.get(&number) {
            Some(Handle::Notify(proxy)) => Ok(proxy),
            _ => Err(unknown(number)),
        }
    }

    pub fn take_notify(&mut self, number: u32) -> Result<Proxy, Failure> {
        match self.open.remove(&number) {
            Some(Handle::Notify(proxy)) => Ok(proxy),
            _ => Err(unknown(number)),
        }
    }

    /// A profile whose filter is compiled.
    pub fn seccomp(&self, number: u32) -> Result<&Seccomp, Failure> {
        match self.open.get(&number) {
            Some(Handle::Seccomp(seccomp)) if seccomp.filter().is_some() => Ok(seccomp),
            _ => Err(unknown(number)),
        }
    }

    pub fn take_seccomp(&mut self, number: u32) -> Result<Seccomp, Failure> {
        match self.open.remove(&number) {
            Some(Handle::Seccomp(seccomp)) => Ok(*seccomp),
            _ => Err(unknown(number)),
        }
    }

    pub fn criu(&self, number: u32) -> Result<&criu::Session, Failure> {
        match self.open.get(&number) {
            Some(Handle::Criu(session)) => Ok(session),
            _ => Err(unknown(number)),
        }
    }

    pub fn criu_mut(&mut self, number: u32) -> Result<&mut criu::Session, Failure> {
        match self.open.get_mut(&number) {
            Some(Handle::Criu(session)) => Ok(session),
            _ => Err(unknown(number)),
        }
    }
}

fn unknown(number: u32) -> Failure {
    Failure::new(FailureCode::BadRequest, format!("use handle {number}"), "no such handle")
}
