//! Id mappings of user namespaces and idmapped mounts.

use crate::plain;

plain! {
/// A line of uid_map or gid_map (user_namespaces(7)).
pub struct IdMapping {
    pub container_id: u32,
    pub host_id: u32,
    pub size: u32,
}
}
