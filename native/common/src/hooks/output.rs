//! Files for the hooks' output (crun's annotations).

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, FdFlags};
use tsrunc_plan::failure::Failure;
use tsrunc_plan::operation::HookOutput;
use tsrunc_sys::errno::During;
use tsrunc_sys::process as sys;

/// Files for stdout and stderr. None: the output is captured, for error messages.
#[derive(Default)]
pub struct Output {
    pub stdout: Option<OwnedFd>,
    pub stderr: Option<OwnedFd>,
}

impl Output {
    /// Opens the files on the host.
    pub fn open(files: Option<&HookOutput>) -> Result<Output, Failure> {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOCTTY;
        let open = |path: &Option<String>| {
            let open =
                |path: &String| rustix::fs::open(path.as_str(), flags, Mode::RUSR | Mode::WUSR).during(|| format!("open {path:?} for the output of hooks"));
            path.as_ref().map(open).transpose()
        };
        Ok(match files {
            Some(files) => Output { stdout: open(&files.stdout)?, stderr: open(&files.stderr)? },
            None => Output::default(),
        })
    }

    /// Takes over the descriptors that the creator opened, as close-on-exec.
    pub fn inherited(numbers: [Option<i32>; 2]) -> Result<Output, Errno> {
        let take = |number: Option<i32>| {
            let take = |number| sys::inherited(number).and_then(|fd| rustix::io::fcntl_setfd(&fd, FdFlags::CLOEXEC).map(|()| fd));
            number.map(take).transpose()
        };
        Ok(Output { stdout: take(numbers[0])?, stderr: take(numbers[1])? })
    }

    /// Descriptor numbers, for the init to inherit.
    pub fn numbers(&self) -> [Option<i32>; 2] {
        [&self.stdout, &self.stderr].map(|file| file.as_ref().map(AsRawFd::as_raw_fd))
    }
}
