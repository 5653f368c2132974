//! Code that the creator of a container and its init share: the protocol between them, and what either of them may have to do.

pub mod clones;
pub mod descriptors;
pub mod hooks;
pub mod limits;
pub mod mountinfo;
pub mod propagation;
pub mod protocol;
pub mod wait;
