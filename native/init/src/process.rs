//! Turns the init into the user's program: stdio, user, capabilities, working directory, exec.

use std::ffi::CString;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{set_dumpable_behavior, DumpableBehavior, Gid, Uid};
use rustix::thread::{
    clear_ambient_capability_set, configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities,
    set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid, CapabilitySet, CapabilitySets,
};
use tsrunc_plan::container::{Capabilities, Process};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::{describe, During};
use tsrunc_sys::process as sys;

use crate::devices::Terminal;

/// The arguments of execve(2).
pub struct Program {
    path: CString,
    args: Vec<CString>,
    env: Vec<CString>,
}

/// Makes the terminal on stdin the session's controlling terminal.
pub fn control_terminal() -> Result<(), Failure> {
    rustix::process::ioctl_tiocsctty(rustix::stdio::stdin()).during(|| "make the terminal the controlling one".into())
}

/// Makes the terminal stdin, stdout and stderr, and chowns it to the user.
pub fn use_terminal(terminal: Terminal, uid: u32) -> Result<(), Failure> {
    let during = || "use the terminal".to_owned();
    rustix::fs::fchown(&terminal.slave, Some(rustix::fs::Uid::from_raw(uid)), None).during(|| "chown the terminal".into())?;
    rustix::stdio::dup2_stdin(&terminal.slave).during(during)?;
    rustix::stdio::dup2_stdout(&terminal.slave).during(during)?;
    rustix::stdio::dup2_stderr(&terminal.slave).during(during)
}

fn is_null_device(stat: &rustix::fs::Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == rustix::fs::makedev(1, 3)
}

/// Replaces the host's /dev/null on a standard stream by the container's, because CRIU cannot dump a file on a mount that the container does not have.
/// If the container has none, the host's stays.
fn open_own_null(stream: BorrowedFd<'_>) -> Result<(), Failure> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    let Ok(found) = rustix::fs::lstat("/dev/null") else { return Ok(()) };
    // Opening any other device may have side effects.
    if !is_null_device(&found) {
        return Ok(());
    }
    let Ok(null) = rustix::fs::open("/dev/null", flags, Mode::empty()) else { return Ok(()) };
    if !is_null_device(&rustix::fs::fstat(&null).during(|| "look at \"/dev/null\"".into())?) {
        return Ok(());
    }
    let replaced = match stream.as_raw_fd() {
        0 => rustix::stdio::dup2_stdin(&null),
        1 => rustix::stdio::dup2_stdout(&null),
        _ => rustix::stdio::dup2_stderr(&null),
    };
    replaced.during(|| "use the container's /dev/null".into())
}

/// Chowns pipes and sockets among stdin, stdout and stderr to the user, so that the program can open /proc/self/fd/N. Devices and files belong to
/// the caller and are not changed.
pub fn own_stdio(uid: u32) -> Result<(), Failure> {
    for fd in [rustix::stdio::stdin().as_fd(), rustix::stdio::stdout().as_fd(), rustix::stdio::stderr().as_fd()] {
        let Ok(stat) = rustix::fs::fstat(fd) else { continue }; // closed
        let kind = FileType::from_raw_mode(stat.st_mode);
        if is_null_device(&stat) {
            open_own_null(fd)?;
            continue;
        }
        if stat.st_uid == uid || !matches!(kind, FileType::Fifo | FileType::Socket) {
            continue;
        }
        match rustix::fs::fchown(fd, Some(rustix::fs::Uid::from_raw(uid)), None) {
            // Its owner is not mapped in the user namespace.
            Ok(()) | Err(Errno::PERM | Errno::INVAL | Errno::ROFS) => {}
            Err(errno) => return Err(errno).during(|| "chown stdio".into()),
        }
    }
    Ok(())
}

/// Becomes the user: bounding set, groups, ids, other capability sets. Then enters the working directory and looks up the program, as that user.
/// `while_privileged` runs before the change of uid, which drops capabilities.
///
/// # Errors
/// The first step that fails. Where managers match runc's texts, these are the same.
pub fn become_user(process: &Process, while_privileged: impl FnOnce() -> Result<(), Failure>) -> Result<Program, Failure> {
    let masks = process.capabilities.as_ref().map(parse_masks).transpose()?.unwrap_or_default();
    drop_bounding_set(masks.bounding)?;
    let entered = rustix::process::chdir(process.cwd.as_str());
    if entered.is_ok() {
        // Before `while_privileged`, which may load a seccomp filter that denies getcwd(2).
        check_inside(&process.cwd)?;
    }
    let environment = environment(process)?;
    set_keep_capabilities(true).during(|| "keep capabilities".into())?;
    if let Some(gids) = &process.additional_gids {
        match set_groups(gids) {
            Err(Errno::PERM) if gids.is_empty() && process.keep_groups_if_denied => {}
            result => result.during(|| format!("set groups {gids:?}"))?,
        }
    }
    set_gid(process.gid).during(|| format!("set gid {}", process.gid))?;
    while_privileged()?;
    set_uid(process.uid).during(|| format!("set uid {}", process.uid))?;
    set_capabilities(None, masks.sets()).during(|| "set capabilities".into())?;
    clear_ambient_capability_set().during(|| "clear ambient capabilities".into())?;
    for capability in bits(masks.ambient) {
        configure_capability_in_ambient_set(one(capability), true).during(|| format!("raise ambient capability {capability}"))?;
    }
    if process.no_new_privileges {
        set_no_new_privs(true).during(|| "set no_new_privs".into())?;
    }
    rustix::process::umask(Mode::from_raw_mode(process.umask));
    enter_directory(&process.cwd, entered)?;
    find_program(process, environment)
}

#[derive(Default)]
struct Masks {
    bounding: u64,
    effective: u64,
    inheritable: u64,
    permitted: u64,
    ambient: u64,
}

impl Masks {
    fn sets(&self) -> CapabilitySets {
        let [effective, permitted, inheritable] = [self.effective, self.permitted, self.inheritable].map(CapabilitySet::from_bits_retain);
        CapabilitySets { effective, permitted, inheritable }
    }
}

fn parse_masks(sets: &Capabilities) -> Result<Masks, Failure> {
    let parse = |text: &str| text.parse().map_err(|_| Failure::new(FailureCode::BadRequest, "read capabilities", format!("{text:?} is not a number")));
    Ok(Masks {
        bounding: parse(&sets.bounding)?,
        effective: parse(&sets.effective)?,
        inheritable: parse(&sets.inheritable)?,
        permitted: parse(&sets.permitted)?,
        ambient: parse(&sets.ambient)?,
    })
}

fn bits(mask: u64) -> impl Iterator<Item = u32> {
    (0..64).filter(move |bit| mask & (1 << bit) != 0)
}

/// The set of one capability, which may be one of a newer kernel that rustix has no name for.
fn one(capability: u32) -> CapabilitySet {
    CapabilitySet::from_bits_retain(1 << capability)
}

/// Supplementary groups of this process, which has one thread.
fn set_groups(gids: &[u32]) -> Result<(), Errno> {
    let gids: Vec<Gid> = gids.iter().map(|gid| Gid::from_raw(*gid)).collect();
    set_thread_groups(&gids)
}

/// Real, effective and saved gid of this process, which has one thread.
pub fn set_gid(gid: u32) -> Result<(), Errno> {
    let gid = Gid::from_raw(gid);
    set_thread_res_gid(gid, gid, gid)
}

/// Real, effective and saved uid of this process, which has one thread.
pub fn set_uid(uid: u32) -> Result<(), Errno> {
    let uid = Uid::from_raw(uid);
    set_thread_res_uid(uid, uid, uid)
}

/// Whether others of the same user may trace this process and open its files in /proc.
pub fn set_dumpable(dumpable: bool) -> Result<(), Errno> {
    set_dumpable_behavior(if dumpable { DumpableBehavior::Dumpable } else { DumpableBehavior::NotDumpable })
}

fn drop_bounding_set(keep: u64) -> Result<(), Failure> {
    for capability in (0..64).filter(|bit| keep & (1 << bit) == 0) {
        match remove_capability_from_bounding_set(one(capability)) {
            Ok(()) => {}
            Err(Errno::INVAL) => break, // past the kernel's last capability
            Err(errno) => return Err(errno).during(|| format!("drop capability {capability} from the bounding set")),
        }
    }
    Ok(())
}

/// Enters cwd as the user if root could not (an NFS home, for example). A directory that only root can enter is accepted, because images rely on it.
fn enter_directory(cwd: &str, entered_before: Result<(), Errno>) -> Result<(), Failure> {
    let Err(first) = entered_before else { return Ok(()) };
    // Report root's errno: the user usually fails for lack of permission only.
    if rustix::process::chdir(cwd).is_err() {
        let (_, text) = describe(first);
        return Err(Failure { cause: text.into(), ..tsrunc_sys::errno::os_failure(entering(cwd), first) });
    }
    check_inside(cwd)
}

/// Verifies that the working directory is in the container (CVE-2024-21626: a cwd of /proc/self/fd/N).
fn check_inside(cwd: &str) -> Result<(), Failure> {
    match rustix::process::getcwd(Vec::new()) {
        Ok(path) if path.to_bytes().starts_with(b"/") => Ok(()),
        _ => Err(Failure::new(
            FailureCode::Other,
            entering(cwd),
            "current working directory is outside of container mount namespace root -- possible container breakout detected",
        )),
    }
}

fn entering(cwd: &str) -> String {
    format!("chdir to cwd ({cwd:?}) set in config.json failed")
}

/// The container's passwd. The image controls it: a FIFO or an endless device must not block us.
fn passwd() -> Option<String> {
    const MAX_BYTES: u64 = 1 << 20;
    let file = rustix::fs::open("/etc/passwd", OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    if FileType::from_raw_mode(rustix::fs::fstat(&file).ok()?.st_mode) != FileType::RegularFile {
        return None;
    }
    let mut text = String::new();
    std::fs::File::from(file).take(MAX_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The home directory of the uid in the container's passwd, `/` if there is none.
fn home(uid: u32) -> String {
    let found = passwd().and_then(|passwd| {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let of_user = fields.nth(2).and_then(|field| field.parse::<u32>().ok()) == Some(uid);
            fields.nth(2).filter(|home| of_user && !home.is_empty()).map(str::to_owned)
        })
    });
    found.unwrap_or_else(|| "/".into())
}

fn environment(process: &Process) -> Result<Vec<CString>, Failure> {
    let mut env = c_strings(&process.env)?;
    if process.set_home {
        env.push(c_string(format!("HOME={}", home(process.uid)))?);
    }
    Ok(env)
}

/// Strings for execve(2).
///
/// # Errors
/// A string contains a NUL.
pub fn c_strings(strings: &[String]) -> Result<Vec<CString>, Failure> {
    strings.iter().map(|string| c_string(string.as_str())).collect()
}

fn c_string(text: impl Into<Vec<u8>>) -> Result<CString, Failure> {
    CString::new(text).map_err(|error| Failure::new(FailureCode::BadRequest, "read process", error.to_string()))
}

/// Looks up the program as execvp(3) would, in the container's PATH and as its user, so that `create` reports a missing one.
fn find_program(process: &Process, env: Vec<CString>) -> Result<Program, Failure> {
    let Some(name) = process.args.first() else {
        return Err(Failure::new(FailureCode::BadRequest, "read process", "no args"));
    };
    let failed = |operation: String, errno: Errno| {
        let (_, text) = describe(errno);
        Failure { code: FailureCode::Exec, cause: text.into(), ..tsrunc_sys::errno::os_failure(operation, errno) }
    };
    let path = if name.contains('/') {
        executable(name).map_err(|errno| match errno {
            Errno::ACCESS => failed(format!("exec: {name:?}"), errno),
            // execve(2) fails with EACCES too, and from this text Docker 20.10 and podman 4.3 derive exit status 126.
            Errno::ISDIR => failed(format!("exec: {name:?}: is a directory"), Errno::ACCESS),
            _ => failed(format!("exec: {name:?}: stat {name}"), errno),
        })?;
        name.clone()
    } else {
        let search = process.env.iter().rev().find_map(|entry| entry.strip_prefix("PATH=")).unwrap_or("");
        // As execvp(3): report another errno than ENOENT from a directory, which may hide the program.
        let mut refused = None;
        let is_program = |candidate: &String| match executable(candidate) {
            Ok(()) => true,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ISDIR) => false,
            Err(errno) => {
                refused.get_or_insert(errno);
                false
            }
        };
        // An empty element is the working directory, but an empty or missing PATH has no elements.
        let candidates =
            search
                .split(':')
                .filter(|_| !search.is_empty())
                .map(|directory| if directory.is_empty() { format!("./{name}") } else { format!("{directory}/{name}") });
        match (candidates.into_iter().find(is_program), refused) {
            (Some(path), _) => path,
            (None, Some(errno)) => return Err(failed(format!("exec: {name:?}"), errno)),
            (None, None) => return Err(Failure::new(FailureCode::Exec, format!("exec: {name:?}"), "executable file not found in $PATH")),
        }
    };
    Ok(Program { path: c_string(path)?, args: c_strings(&process.args)?, env })
}

fn executable(path: &str) -> Result<(), Errno> {
    let file = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    match FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) {
        FileType::Directory => return Err(Errno::ISDIR),
        FileType::RegularFile => {}
        _ => return Err(Errno::ACCESS),
    }
    match rustix::fs::accessat(rustix::fs::CWD, path, Access::EXEC_OK, AtFlags::EACCESS) {
        // The container's seccomp filter may be loaded already and not know faccessat2(2). The real ids are the user's by now, so access(2) gives
        // the same answer.
        Err(Errno::PERM | Errno::NOSYS) => rustix::fs::accessat(rustix::fs::CWD, path, Access::EXEC_OK, AtFlags::empty()),
        result => result,
    }
}

impl Program {
    /// Its environment.
    pub fn env(&self) -> &[CString] {
        &self.env
    }

    /// Executes the program; returns only on failure. `before_exec` runs right before execve(2), the only system call after it.
    pub fn execute(&self, process: &Process, before_exec: impl FnOnce() -> Result<(), Failure>) -> Failure {
        for number in 3..3 + process.preserve_fds {
            sys::keep_number_over_exec(number as i32);
        }
        let errno = match sys::execute(&self.path, &self.args, &self.env, before_exec) {
            Ok(errno) => errno,
            Err(failure) => return failure,
        };
        let (_, text) = describe(errno);
        // runc's text, without quotation marks: tools look for it.
        let operation = format!("exec {}", self.path.to_string_lossy().replace(char::is_control, "?"));
        Failure { code: FailureCode::Exec, cause: text.into(), ..tsrunc_sys::errno::os_failure(operation, errno) }
    }
}
