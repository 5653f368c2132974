//! The entry point of the native layer: takes a request in JSON and returns a reply in JSON.

use std::time::Duration;

use tsrunc_common::hooks::{run_runtime_hooks, Output};
use tsrunc_plan::container::ConsolePlan;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::request::{Reply, Request, SeccompText};

use crate::create;
use crate::criu;
use crate::events::{Event, Events};
use crate::foreground::Foreground;
use crate::handles::{Handle, Handles};
use crate::held_process::HeldProcess;
use crate::init_program::InitProgram;
use crate::interrupts::{Interrupt, Interrupts};
use crate::notify::Proxy;
use crate::overview;
use crate::seccomp::{self, Seccomp};
use crate::store;
use crate::{
    cgroup, clock, datagram, exec, facts, files, gate, limits, mounts, preserved, processes, program, resctrl, state_root, systemd, take_over, terminal, undo,
};

/// The native layer with its state between requests. Must not be used by two threads at once.
pub struct Services {
    init: InitProgram,
    handles: Handles,
    /// The signals caught while this process creates a container and may be ended, and while it is attached to it.
    interrupts: Option<Interrupts>,
}

/// Required by native/ffi: Node may use it from any thread.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Services>();
};

impl Services {
    pub fn new(init: InitProgram) -> Self {
        Services { init, handles: Handles::new(), interrupts: None }
    }

    /// Carries out one request. An invalid request gets a `Failed` reply; it never panics.
    pub fn call(&mut self, request: &[u8]) -> Vec<u8> {
        let reply = match serde_json::from_slice(request) {
            Ok(request) => self.carry_out(request).unwrap_or_else(|failure| Reply::Failed { failure: self.explain(failure) }),
            Err(error) => Reply::Failed { failure: Failure::new(FailureCode::BadRequest, "read request", error.to_string()) },
        };
        serde_json::to_vec(&reply).unwrap_or_default()
    }

    fn carry_out(&mut self, request: Request) -> Result<Reply, Failure> {
        let done = |()| Reply::Done;
        let text = |text: String| Reply::Text { text };
        let names = |names: Vec<String>| Reply::Names { names };
        let flag = |flag: bool| Reply::Flag { flag };
        match request {
            Request::ReadFile { path, max_bytes } => files::read_text(&path, max_bytes).map(text),
            Request::ReadInput { path, max_bytes } => files::read_input(&path, max_bytes).map(|(read, _)| text(read)),
            Request::ReadStdin { max_bytes } => files::read_stdin(max_bytes).map(text),
            Request::ReadValues { paths } => files::read_values(&paths).map(|values| Reply::Values { values }),
            Request::ReadConfig { path, max_bytes, root, input } => {
                let read = if input { files::read_input(&path, max_bytes) } else { files::read_text(&path, max_bytes).map(|text| (text, true)) };
                // The core reads a configuration again for its faults, where a kept filter stands in for the profile: a pipe has no second reading.
                read.map(|(text, readable_again)| self.take_profile(text, readable_again.then_some(root.as_str())))
            }
            Request::CreateFile { path, text, mode } => files::create(&path, &text, mode).map(done),
            Request::AppendFile { path, text } => files::append(&path, &text).map(done),
            Request::SendDatagram { path, parts } => datagram::send(&path, &parts).map(done),
            Request::ResolveDirectory { path } => files::resolve_directory(&path).map(text),
            Request::AbsolutePath { path } => files::absolute_path(&path).map(text),
            Request::FindTerminal => terminal::find().map(done),
            Request::HostFacts => facts::host_facts().map(|facts| Reply::Facts { facts }),
            Request::SystemdFacts { user, runtime_directory, bfq, oom_policy } => {
                systemd::facts(user, runtime_directory.as_deref(), systemd::Wanted { bfq, oom_policy }).map(|facts| Reply::Systemd { facts })
            }
            Request::Missing { paths } => Ok(names(files::missing(paths))),
            Request::PathKind { path } => files::kind(&path).map(|kind| text(kind.into())),
            Request::RequireOpen { count } => preserved::require_open(count).map(done),
            Request::Reserve { root, root_mode, record, interruptible } => {
                if interruptible {
                    self.interrupts = Interrupts::begin()?;
                }
                match store::reserve(&store::Reservation { root: &root, root_mode, record: &record, interruptible }) {
                    Ok(lock) => Ok(self.keep(Handle::Lock(lock))),
                    Err(failure) => Err(self.without_interrupts(failure)),
                }
            }
            Request::LockContainer { root, id, timeout_milliseconds, interruptible } => {
                let timeout = timeout_milliseconds.map(|milliseconds| Duration::from_millis(milliseconds.into()));
                let lock = store::lock(&store::LockRequest { root: &root, id: &id, timeout, interruptible })?;
                if interruptible {
                    self.interrupts = Interrupts::begin()?;
                }
                Ok(self.keep(Handle::Lock(lock)))
            }
            Request::TakeOver { root, id } => Ok(self.keep(Handle::Lock(take_over::take_over(&root, &id)?))),
            Request::SummarizeContainers { root } => overview::summaries(&root).map(|(names, summaries)| Reply::Summaries { names, summaries }),
            Request::ListContainers { root } => state_root::list(&root).map(names),
            Request::PeekState { root, id } => state_root::read_state(&root, &id).map(text),
            Request::ReadState { lock } => store::read_state(self.handles.lock(lock)?).map(text),
            Request::KillUnfinished { lock } => store::kill_unfinished(self.handles.lock(lock)?).map(done),
            Request::SaveState { handle, record } => store::save_state(self.handles.lock(handle)?, &record).map(done),
            Request::RemoveContainer { handle } => store::remove(self.handles.lock(handle)?).map(done),
            Request::Close { handle } => {
                self.handles.close(handle)?;
                if !self.handles.has_container() {
                    self.interrupts = None;
                }
                Ok(Reply::Done)
            }
            Request::CompileSeccomp { handle, profile } => {
                let from = handle.map(|handle| self.handles.take_seccomp(handle)).transpose()?;
                let seccomp = Seccomp::compile(from, &profile)?;
                Ok(self.keep(Handle::Seccomp(Box::new(seccomp))))
            }
            Request::KeepSeccomp { lock, handle } => self.handles.seccomp(handle)?.keep(self.handles.lock(lock)?).map(done),
            Request::SeccompFacts => Ok(Reply::SeccompFacts { facts: seccomp::facts() }),
            Request::Create { lock, mut plan, record, seccomp, notify } => {
                let seccomp = seccomp.map(|handle| self.handles.seccomp(handle)).transpose()?;
                let lock = self.handles.lock(lock)?;
                let notify = notify.map(|handle| self.handles.notify(handle)).transpose()?;
                let inputs = create::CreateInputs { seccomp, notify: notify.map(Proxy::fd), interrupt: self.interrupt(), record: *record };
                let pending = create::create(self.init, lock, &mut plan, inputs)?;
                let process = pending.identity.clone();
                let warnings = pending.warnings.clone();
                let foreground = matches!(plan.console, ConsolePlan::Keep);
                let runs_hooks = !plan.start_container_hooks.is_empty();
                let handle = self.handles.insert(Handle::Process(Box::new(HeldProcess { pending, foreground, runs_hooks })));
                Ok(Reply::Created { handle, process, warnings })
            }
            Request::Exec { root, id, plan, interruptible } => {
                if interruptible && self.interrupts.is_none() {
                    self.interrupts = Interrupts::begin()?;
                }
                let pending = exec::exec(self.init, (&root, &id), &plan, self.interrupt()).map_err(|failure| self.without_interrupts(failure))?;
                let (process, foreground) = (pending.identity.clone(), matches!(plan.console, ConsolePlan::Keep));
                let handle = self.handles.insert(Handle::Process(Box::new(HeldProcess { pending, foreground, runs_hooks: false })));
                Ok(Reply::Created { handle, process, warnings: Vec::new() })
            }
            Request::Release { handle, subreaper } => self.handles.process(handle)?.release(&mut self.interrupts, subreaper).map(done),
            Request::Start { lock, notify_socket } => {
                let kept = gate::start(self.handles.lock(lock)?, self.interrupt())?;
                let proxy = kept.zip(notify_socket).map(|(kept, host)| Proxy::resume(kept, &host)).transpose()?;
                Ok(Reply::Started { notify: proxy.map(|proxy| self.handles.insert(Handle::Notify(proxy))) })
            }
            Request::AtGate { lock } => gate::at_gate(self.handles.lock(lock)?).map(flag),
            Request::Alive { process } => processes::alive(&process).map(flag),
            Request::Kill { process, signal } => processes::kill(&process, signal).map(done),
            Request::KillCgroup { paths, signal } => {
                let found = paths.iter().map(|path| cgroup::kill(path, signal)).collect::<Result<Vec<bool>, Failure>>()?;
                Ok(Reply::Flag { flag: found.contains(&true) })
            }
            Request::WaitGone { process, timeout_milliseconds } => processes::wait_gone(&process, Duration::from_millis(timeout_milliseconds.into())).map(flag),
            Request::Watch { sources } => Ok(self.keep(Handle::Events(Box::new(Events::watch(&sources)?)))),
            Request::NextEvent { handle, interruptible } => {
                self.handles.events(handle)?.next(interruptible).map(|Event { source, text }| Reply::Event { source, text })
            }
            Request::Foreground { handle, subreaper, notify } => {
                // The proxy is removed from the handles, because both are borrowed at the same time. It is not needed afterwards.
                let proxy = notify.map(|notify| self.handles.take_notify(notify)).transpose()?;
                let signals = Interrupts::forward(self.interrupts.take())?.map(Interrupts::into_caught);
                let status = Foreground { signals, subreaper, notify: proxy.as_ref() }.wait(&mut self.handles.process(handle)?.pending)?;
                Ok(Reply::Exit { status })
            }
            Request::BindNotify { lock, socket } => {
                let proxy = Proxy::bind(self.handles.lock(lock)?, &socket)?;
                Ok(self.keep(Handle::Notify(proxy)))
            }
            Request::AwaitNotify { handle, process } => self.handles.take_notify(handle)?.await_ready(&process).map(flag),
            Request::RunHooks { hooks, state, output } => {
                let output = Output::open(output.as_ref())?;
                run_runtime_hooks(&hooks, &state.text(state.pid, &state.status), &output, self.interrupt()).map(done)
            }
            Request::Undo { steps } => undo::undo(&steps).map(done),
            Request::OutOfMemory { cgroups } => Ok(text(cgroup::describe_oom(cgroups.iter().map(String::as_str)).unwrap_or_default())),
            Request::ChangeLimits { change } => limits::change(&change).map(done),
            Request::Frozen { path } => cgroup::frozen(&path).map(flag),
            Request::Freeze { path, timeout_milliseconds } => {
                cgroup::freeze(&path, Duration::from_millis(timeout_milliseconds.into()), self.interrupt()).map(done)
            }
            Request::Thaw { path } => cgroup::thaw(&path).map(done),
            Request::ThawKilled { path } => cgroup::thaw_killed(std::path::Path::new(&path)).map(done),
            Request::CgroupProcesses { path } => cgroup::processes(std::path::Path::new(&path)).map(|pids| Reply::Pids { pids }),
            Request::RunProgram { candidates, args } => program::run(&candidates, &args),
            Request::ListDirectory { path } => files::list(&path).map(names),
            Request::Now => Ok(text(clock::now())),
            Request::UserName { uid } => Ok(text(files::user_name(uid))),
            Request::MountId { path } => undo::mount_id(&path).map(|number| Reply::Number { number }),
            Request::ChangeMounts { root, id, plan } => mounts::change(self.init, (&root, &id), &plan).map(done),
            Request::FindMount { fs_type } => resctrl::find_mount(&fs_type).map(text),
            Request::MakeDirectory { path, group } => files::make_directory(&path, group).map(done),
            Request::WriteFile { path, text } => files::write(&path, &text).map(done),
            Request::ReadLink { path } => files::read_link(&path).map(text),
            Request::ResolveInRoot { root, path } => criu::rootfs::resolve(&root, &path).map(text),
            Request::MakeMountPoint { root, path, source } => criu::rootfs::make_mount_point(&root, &path, source.as_deref()).map(done),
            Request::RequireWritable { descriptor } => preserved::require_writable(descriptor).map(done),
            Request::WriteZero { descriptor } => preserved::write_zero(descriptor).map(done),
            Request::StartCriu { stdio, directories, inherit } => {
                let session = criu::Session::start(stdio, &directories, &inherit)?;
                let (directories, inherited) = (session.directories(), session.inherited());
                let handle = self.handles.insert(Handle::Criu(Box::new(session)));
                Ok(Reply::Criu { handle, directories, inherited })
            }
            Request::CallCriu { handle, request } => {
                let interrupt = self.interrupts.as_ref().map(Interrupts::interrupt);
                self.handles.criu_mut(handle)?.call(&request, interrupt).map(|response| Reply::CriuResponse { response })
            }
            Request::PlaceCriu { handle, lock, cgroup } => criu::place(self.handles.criu(handle)?, self.handles.lock(lock)?, *cgroup).map(text),
            Request::BringLoopbackUp { pid } => criu::bring_loopback_up(pid).map(done),
            Request::WaitCriu { handle } => self.handles.criu_mut(handle)?.wait().map(|number| Reply::Number { number }),
            Request::AdoptRestored { handle, pid, foreground, pid_file } => {
                let pending = self.handles.criu_mut(handle)?.adopt(pid, foreground, pid_file)?;
                let process = pending.identity.clone();
                let handle = self.handles.insert(Handle::Process(Box::new(HeldProcess { pending, foreground, runs_hooks: false })));
                Ok(Reply::Created { handle, process, warnings: Vec::new() })
            }
            Request::SendMaster { handle, path } => self.handles.criu(handle)?.send_master(&path).map(done),
            Request::MountRoot { lock, rootfs } => criu::rootfs::mount(self.handles.lock(lock)?, &rootfs).map(text),
            Request::UnmountRoot { lock } => criu::rootfs::unmount(self.handles.lock(lock)?).map(done),
        }
    }

    fn interrupt(&self) -> Interrupt<'_> {
        self.interrupts.as_ref().map(Interrupts::interrupt)
    }

    fn explain(&mut self, failure: Failure) -> Failure {
        match &mut self.interrupts {
            Some(interrupts) => interrupts.explain(failure),
            None => failure,
        }
    }

    /// The failure of the request that started to catch signals. Stops catching them.
    fn without_interrupts(&mut self, failure: Failure) -> Failure {
        let failure = self.explain(failure);
        self.interrupts = None;
        failure
    }

    fn keep(&mut self, handle: Handle) -> Reply {
        Reply::Handle { handle: self.handles.insert(handle) }
    }

    /// The configuration with the handle of its seccomp profile.
    fn take_profile(&mut self, text: String, root: Option<&str>) -> Reply {
        let (text, seccomp) = Seccomp::take_from(text, root);
        let seccomp = seccomp.map(|seccomp| {
            let is_cached = seccomp.filter().is_some();
            SeccompText { handle: self.handles.insert(Handle::Seccomp(Box::new(seccomp))), is_cached }
        });
        Reply::Config { text, seccomp }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{record, TempDir};

    fn ask(services: &mut Services, request: &str) -> String {
        String::from_utf8(services.call(request.as_bytes())).unwrap()
    }

    #[test]
    fn an_invalid_request_gets_a_failure() {
        let mut services = Services::new(InitProgram::Embedded);
        for request in ["", "{", "null", "\u{0}", r#"{"op":"fly"}"#, r#"{"op":"close","handle":1,"extra":1}"#, r#"{"op":"close","handle":-1}"#] {
            assert!(ask(&mut services, request).starts_with(r#"{"kind":"failed","failure":{"code":"badRequest","operation":"read request""#), "{request:?}");
        }
        assert!(String::from_utf8(services.call(b"\xff")).unwrap().contains("badRequest"));
    }

    #[test]
    fn a_handle_is_valid_for_its_kind_until_it_is_closed() {
        let temp = TempDir::new();
        let mut services = Services::new(InitProgram::Embedded);
        let record = serde_json::to_string(&record("c")).unwrap();
        let reserve = format!(r#"{{"op":"reserve","root":{:?},"rootMode":448,"record":{record},"interruptible":false}}"#, temp.path());
        assert_eq!(ask(&mut services, &reserve), r#"{"kind":"handle","handle":1}"#);
        assert!(ask(&mut services, r#"{"op":"release","handle":1}"#).contains(r#""operation":"use handle 1","cause":"no such handle""#));
        assert_eq!(ask(&mut services, r#"{"op":"removeContainer","handle":1}"#), r#"{"kind":"done"}"#);
        assert_eq!(ask(&mut services, r#"{"op":"close","handle":1}"#), r#"{"kind":"done"}"#);
        assert!(ask(&mut services, r#"{"op":"close","handle":1}"#).contains("badRequest"));
    }
}
