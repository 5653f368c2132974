//! Executes the operations of a plan, in order. Runs in the container's namespaces, before the start gate.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{unmount, UnmountFlags};
use rustix::termios::Winsize;
use tsrunc_plan::container::Process;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::operation::{DeviceKind, Hook, MountAttribute, MountAttributes, Operation, Propagation};
use tsrunc_sys::errno::During;
use tsrunc_sys::namespaces::{mount_setattr, MountSetattr};
use tsrunc_sys::network::bring_loopback_up;
use tsrunc_sys::schedule;

use crate::attach::attach;
use crate::attributes::attribute_bits;
use crate::devices::{bind_node, make_link, make_node, mount_console, open_terminal, Device, Terminal};
use crate::kernel_files::{label_file, refused_memory_nodes, set_apparmor_profile, set_exec_label, set_sysctl, KernelFiles};
use crate::masks::{make_readonly, Masks};
use crate::mounts::{mount, Mount};
use crate::process::c_strings;
use crate::root::Root;
use tsrunc_common::clones::clone_mount;
use tsrunc_common::hooks::{run_hooks, Directory, HookContext, Interrupt, Output};
use tsrunc_common::mountinfo::{self, MountEntry};
use tsrunc_common::propagation::set_propagation;

/// What operations need from the creator.
pub trait Creator {
    /// Has the creator run prestart and createRuntime hooks. Returns the state for createContainer hooks.
    fn run_hooks(&mut self) -> Result<String, Failure>;
    /// The socket to the creator; it is at end of file when the creator has exited.
    fn socket(&self) -> BorrowedFd<'_>;
    /// Has the creator execute the `Schedule` operations.
    fn set_schedule(&mut self) -> Result<(), Failure>;
    /// Sends the terminal's master.
    fn send_terminal(&mut self, master: &OwnedFd) -> Result<(), Failure>;
}

/// The state that operations share.
pub struct Setup<'a> {
    root: Option<Root>,
    /// Detached clones of bind sources that the creator made, by the index of the operation.
    source_clones: &'a BTreeMap<usize, OwnedFd>,
    process: &'a Process,
    hook_output: &'a Output,
    /// The original RLIMIT_NOFILE, soft and hard, if this process has raised its own; for hooks.
    pub open_files: Option<[u64; 2]>,
    /// Our mounts do not propagate to the host.
    host_is_detached: bool,
    /// Propagation of the rootfs until `RootfsPropagation`.
    initial_propagation: Propagation,
    /// The runtime's umask, for hooks.
    umask: Mode,
    masks: Masks,
    kernel: KernelFiles,
    pub terminal: Option<Terminal>,
}

impl<'a> Setup<'a> {
    /// Sets this process's umask to 0, so that files get exactly the modes in the plan.
    pub fn new(source_clones: &'a BTreeMap<usize, OwnedFd>, process: &'a Process, hook_output: &'a Output) -> Self {
        Setup {
            root: None,
            source_clones,
            process,
            hook_output,
            open_files: None,
            host_is_detached: false,
            initial_propagation: Propagation::Private,
            umask: rustix::process::umask(Mode::empty()),
            masks: Masks::default(),
            kernel: KernelFiles::default(),
            terminal: None,
        }
    }

    /// Uses the root of a running container and a procfs that is already open (`exec`).
    pub fn enter(&mut self, root: Root, kernel: KernelFiles) {
        self.root = Some(root);
        self.kernel = kernel;
    }

    fn root(&self) -> Result<&Root, Failure> {
        self.root.as_ref().ok_or_else(|| Failure::new(FailureCode::BadRequest, "execute the plan", "an operation before the rootfs"))
    }

    fn root_mut(&mut self) -> Result<&mut Root, Failure> {
        self.root.as_mut().ok_or_else(|| Failure::new(FailureCode::BadRequest, "execute the plan", "an operation before the rootfs"))
    }

    /// Executes the operation at that index of the plan.
    pub fn run(&mut self, index: usize, operation: &Operation, creator: &mut dyn Creator) -> Result<(), Failure> {
        match operation {
            Operation::Loopback => match bring_loopback_up() {
                Err(Errno::AFNOSUPPORT) => Ok(()), // a kernel without IPv4 has no loopback address either
                result => result.during(|| "bring the loopback interface up".into()),
            },
            Operation::RootPropagation { propagation } => self.root_propagation(*propagation),
            Operation::Rootfs { path } => self.rootfs(path, false),
            Operation::SharedRootfs { path } => self.rootfs(path, true),
            Operation::Mount { destination, source, target, in_place, attributes, recursive, propagation, pointer } => {
                let entry = Mount {
                    destination,
                    source,
                    target: *target,
                    in_place: *in_place,
                    attributes,
                    recursive,
                    propagation,
                    pointer,
                    require_creator_clone: false,
                };
                let creator_clone = self.source_clones.get(&index);
                mount(self.root_mut()?, &entry, creator_clone)
            }
            Operation::Device { path, kind, major, minor, mode, uid, gid, bind, pointer } => {
                let device = Device { path, kind: *kind, major: *major, minor: *minor, mode: *mode, uid: *uid, gid: *gid, pointer };
                if *bind && *kind != DeviceKind::Fifo {
                    bind_node(self.root_mut()?, &device)
                } else {
                    make_node(self.root_mut()?, &device)
                }
            }
            Operation::Symlink { target, path } => make_link(self.root()?, target, path),
            Operation::Console { height, width } => {
                let size = Winsize { ws_row: *height, ws_col: *width, ws_xpixel: 0, ws_ypixel: 0 };
                let terminal = open_terminal(self.root()?, size)?;
                mount_console(self.root_mut()?, &terminal)?;
                creator.send_terminal(&terminal.master)?;
                self.terminal = Some(terminal);
                Ok(())
            }
            Operation::Hooks { create_container } => {
                let state = creator.run_hooks()?;
                self.create_container_hooks(create_container, &state, creator.socket())?;
                self.root_mut()?.mounts_may_have_changed().during(|| "look at the mounts after the hooks".into())
            }
            Operation::PivotRoot => self.pivot_root(),
            Operation::MoveRoot => self.move_root(),
            Operation::Chroot => self.chroot(),
            Operation::WorkingDirectory { path } => {
                if let Err(_chdir_reports_it) = self.root()?.make_directory(path) {}
                Ok(())
            }
            Operation::RootfsPropagation { propagation } => set_propagation(self.root()?.fd(), *propagation).during(|| "set the propagation of \"/\"".into()),
            Operation::ReadonlyRoot => {
                let (set, _) = attribute_bits(&MountAttributes { set: vec![MountAttribute::Ro], ..MountAttributes::default() });
                mount_setattr(self.root()?.fd(), MountSetattr { set, ..MountSetattr::default() }).during(|| "make \"/\" read-only".into())
            }
            Operation::Hostname { name } => rustix::system::sethostname(name.as_bytes()).during(|| format!("set hostname {name:?}")),
            Operation::Domainname { name } => rustix::system::setdomainname(name.as_bytes()).during(|| format!("set domainname {name:?}")),
            Operation::Sysctl { name, value } => {
                let procfs = self.kernel.procfs(self.root.as_ref())?;
                set_sysctl(procfs, name, value)
            }
            Operation::ReadonlyPaths { paths } => {
                let root = self.root()?;
                paths.iter().try_for_each(|path| make_readonly(root, path))
            }
            Operation::MaskPaths { paths } => {
                let root = self.root.as_ref().ok_or_else(|| Failure::new(FailureCode::BadRequest, "mask", "before the rootfs"))?;
                paths.iter().try_for_each(|path| self.masks.mask(root, path))
            }
            Operation::Label { path, label } => label_file(self.root()?, path, label),
            Operation::Apparmor { profile } => set_apparmor_profile(self.kernel.procfs(self.root.as_ref())?, profile),
            Operation::Selinux { label } => set_exec_label(self.kernel.procfs(self.root.as_ref())?, label),
            Operation::Schedule { .. } => creator.set_schedule(),
            Operation::Personality { persona } => schedule::set_personality(*persona).during(|| format!("set personality {persona:#06x} (/linux/personality)")),
            Operation::MemoryPolicy { mode, nodes } => self.memory_policy(*mode, nodes),
        }
    }

    /// Runs createContainer hooks. A hook is killed when the creator exits: nobody would know of a container that waits for it.
    fn create_container_hooks(&self, hooks: &[Hook], state: &str, creator: BorrowedFd<'_>) -> Result<(), Failure> {
        if hooks.is_empty() {
            return Ok(());
        }
        let env = c_strings(&self.process.env)?;
        let (directory, open_files) = (Directory::Inherit, self.open_files);
        let context =
            HookContext { state, output: self.hook_output, env: &env, directory, open_files, interrupt: Some(Interrupt::PeerGone(creator)), filter: None };
        // In the root file system, as with runc, where hooks name files of the container by relative paths.
        rustix::process::fchdir(self.root()?.fd()).during(|| "enter the rootfs (/hooks/createContainer)".into())?;
        rustix::process::umask(self.umask);
        let result = run_hooks(hooks, &context);
        rustix::process::umask(Mode::empty());
        rustix::process::chdir("/").during(|| "enter \"/\"".into())?;
        result
    }

    fn memory_policy(&mut self, mode: u32, nodes: &[u32]) -> Result<(), Failure> {
        let failure = match schedule::set_memory_policy(mode, nodes).during(|| format!("set the memory policy for nodes {nodes:?} (/linux/memoryPolicy)")) {
            Err(failure) => failure,
            result => return result,
        };
        let refused = self.kernel.procfs(self.root.as_ref()).ok().and_then(|procfs| refused_memory_nodes(procfs, nodes));
        let reason = refused.unwrap_or_else(|| format!("the kernel may not know mode {:#x}", mode));
        let cause = format!("{}: {reason}", failure.cause);
        Err(Failure { cause, ..failure })
    }

    fn root_propagation(&mut self, propagation: Propagation) -> Result<(), Failure> {
        let during = || "set the propagation of the host's mounts".to_owned();
        let root = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).during(during)?;
        set_propagation(&root, propagation).during(during)?;
        // A non-recursive change leaves the mounts below shared with the host.
        self.host_is_detached = matches!(propagation, Propagation::Rslave | Propagation::Rprivate | Propagation::Runbindable);
        if matches!(propagation, Propagation::Slave | Propagation::Rslave) {
            self.initial_propagation = Propagation::Slave;
        }
        Ok(())
    }

    fn rootfs(&mut self, path: &str, shares_mounts: bool) -> Result<(), Failure> {
        let during = || format!("bind rootfs {path:?}");
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path, flags, Mode::empty()).during(during)?;
        let clone = clone_mount(directory.as_fd(), true).during(during)?;
        // The clone is still a peer of the host's mount, which it must be to become its slave.
        set_propagation(&clone, self.initial_propagation).during(during)?;
        if !shares_mounts && !self.host_is_detached {
            make_mount_private(&directory).during(during)?;
        }
        attach(clone.as_fd(), directory.as_fd()).during(during)?;
        if shares_mounts {
            // A mount attached to a shared parent becomes shared (mount_namespaces(7)); the container's mounts must not propagate.
            set_propagation(&clone, Propagation::Private).during(during)?;
        }
        self.root = Some(Root::new(clone));
        Ok(())
    }

    /// pivot_root(2), section "pivot_root(".", ".")": the old root ends up on top of the new one and is detached.
    fn pivot_root(&mut self) -> Result<(), Failure> {
        let during = || "pivot_root".to_owned();
        let old = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).during(during)?;
        rustix::process::fchdir(self.root()?.fd()).during(during)?;
        rustix::process::pivot_root(".", ".").during(during)?;
        rustix::process::fchdir(&old).during(during)?;
        if !self.host_is_detached {
            // otherwise the unmount below would propagate to the host
            set_propagation(&old, Propagation::Rslave).during(during)?;
        }
        unmount(".", UnmountFlags::DETACH).during(|| "unmount the old root".into())?;
        rustix::process::chdir("/").during(during)
    }

    /// `--no-pivot`, for a root on ramfs. Unmounts the host's proc and sysfs first, because a process can leave the chroot and would find them.
    fn move_root(&mut self) -> Result<(), Failure> {
        let during = || "move the rootfs to \"/\"".to_owned();
        let root = self.root()?;
        if !self.host_is_detached {
            // otherwise the unmounts below would propagate to the host
            let host = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).during(during)?;
            set_propagation(&host, Propagation::Rslave).during(during)?;
        }
        unmount_host_kernel_files(root)?;
        rustix::process::fchdir(root.fd()).during(during)?;
        let host = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).during(during)?;
        attach(root.fd(), host.as_fd()).during(during)?;
        self.chroot()
    }

    fn chroot(&mut self) -> Result<(), Failure> {
        let during = || "chroot".to_owned();
        rustix::process::fchdir(self.root()?.fd()).during(during)?;
        rustix::process::chroot(".").during(during)?;
        rustix::process::chdir("/").during(during)
    }
}

/// Makes the mount that contains a directory private. Climbs to the root of the mount: there `..` has another mount id.
fn make_mount_private(directory: &OwnedFd) -> Result<(), Errno> {
    let mut at = rustix::io::fcntl_dupfd_cloexec(directory, 3)?;
    loop {
        let parent = rustix::fs::openat(&at, "..", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let (here, above) = (mountinfo::place_of(&at)?, mountinfo::place_of(&parent)?);
        if here.0 != above.0 || here == above {
            return set_propagation(&at, Propagation::Private);
        }
        at = parent;
    }
}

fn unmount_host_kernel_files(root: &Root) -> Result<(), Failure> {
    let during = || "read the host's mounts".to_owned();
    let table = mountinfo::read().during(during)?;
    rustix::process::fchdir(root.fd()).during(during)?;
    let rootfs = rustix::process::getcwd(Vec::new()).during(during)?;
    for MountEntry { point, fs_type, .. } in table {
        if !matches!(fs_type.as_str(), "proc" | "sysfs") || mountinfo::is_at_or_below(&point, rootfs.as_bytes()) {
            continue;
        }
        match unmount(point.as_slice(), UnmountFlags::DETACH) {
            Ok(()) | Err(Errno::INVAL | Errno::NOENT) => {} // unmounted together with its parent
            Err(errno) => return Err(errno).during(|| format!("unmount the host's {:?}", String::from_utf8_lossy(&point))),
        }
    }
    Ok(())
}
