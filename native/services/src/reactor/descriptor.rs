//! Descriptors that stay open while a reactor has them: the kernel would go on to report one that was closed but whose file is still open in
//! another process, and nobody could take it out any more.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// A descriptor and whoever keeps it open.
#[derive(Clone)]
pub enum Descriptor<'fd> {
    /// The last owner closes it. Counted atomically because the handles of Node's library are any thread's.
    Shared(Arc<OwnedFd>),
    Borrowed(BorrowedFd<'fd>),
}

impl AsFd for Descriptor<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Descriptor::Shared(fd) => fd.as_fd(),
            Descriptor::Borrowed(fd) => *fd,
        }
    }
}

impl From<OwnedFd> for Descriptor<'_> {
    fn from(fd: OwnedFd) -> Self {
        Descriptor::Shared(Arc::new(fd))
    }
}

impl<'fd> From<BorrowedFd<'fd>> for Descriptor<'fd> {
    fn from(fd: BorrowedFd<'fd>) -> Self {
        Descriptor::Borrowed(fd)
    }
}
