//! Descriptors that stay open while they are registered with a reactor. If a registered descriptor were closed while another process has the same
//! open file description, the kernel would keep reporting it and it could not be removed any more (epoll(7)).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// A descriptor, owned jointly or borrowed.
#[derive(Clone)]
pub enum Descriptor<'fd> {
    /// The last owner closes it. An `Arc`, because Node may use a handle from any thread.
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
