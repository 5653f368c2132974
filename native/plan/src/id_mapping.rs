//! Which ids of a user namespace stand for which outside of it.

use crate::plain;

plain! {
/// A line of uid_map or gid_map (user_namespaces(7)).
pub struct IdMapping {
    pub container_id: u32,
    pub host_id: u32,
    pub size: u32,
}
}
