//! The undo list: what `delete`, and a `create` that fails, take back.

use crate::systemd::BusAddress;
use crate::tagged;

tagged! { "op", undo_reader, "Undo";
/// One step of the undo list. Each step may be repeated, and may find its work half done.
pub enum Undo {
    /// Kill every process in the cgroup tree and remove the tree.
    RemoveCgroup { path: String },
    /// Remove the cgroup tree once its processes have exited, as those of a container with its own pid namespace do with the first one.
    /// A tree that still has processes belongs to somebody else by now, and is kept.
    RemoveVacatedCgroup { path: String },
    /// Remove a cgroup without children and processes (an ancestor that `create` made).
    RemoveEmptyCgroup { path: String },
    /// Stop a systemd unit and reset its failed state, if its description is still this one.
    StopUnit { unit: String, description: String, bus: BusAddress },
    /// Detach the mounts at a path, with those below it, until the mount with the id `above` is on top
    /// (container without a mount namespace).
    Unmount { path: String, above: u32 },
    /// Remove a resctrl directory; its tasks move to the parent group.
    RemoveResctrlGroup { path: String },
}
}
