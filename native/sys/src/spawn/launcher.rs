//! Spawns into an existing pid namespace. Between clone and exec, /proc/PID/exe of the child is the executable of its parent. Another process in the
//! namespace, with CAP_SYS_PTRACE, could open it and overwrite it once it is no longer executed (CVE-2019-5736). So the runtime does not clone there
//! itself: an intermediate process, the launcher, executes the init's program first, which nobody can write to. This costs a second exec, so it is done
//! only for joined pid namespaces.

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use super::child::{run_child, Child, Join};
use super::{clone_child, Spawn, Spawned, Step};
use crate::process::{close_on_exec_from_3, pointers};

/// Clones the launcher, outside of the pid namespace. It executes `spawn.program` with two more arguments, which are for `launch`.
pub(super) fn start(spawn: &Spawn<'_>, pid_pipe: BorrowedFd<'_>) -> Result<Spawned, Errno> {
    let order = Order {
        namespaces: spawn.namespaces,
        become_root: spawn.become_root,
        program: spawn.program.as_raw_fd(),
        pid_pipe: pid_pipe.as_raw_fd(),
        wait: spawn.wait.map_or([-1, -1], |wait| [wait.reader, wait.writer].map(|end| end.as_raw_fd())),
        joins: spawn.joins.iter().map(|(namespace, fd)| Join::new(*namespace, *fd)).collect(),
        inherit: spawn.inherit.to_vec(),
    };
    let mut args = spawn.args.to_vec();
    args.push(CString::new(order.to_text()).map_err(|_| Errno::INVAL)?);
    args.push(spawn.clock_offsets.map(CStr::to_owned).unwrap_or_default());
    let launcher =
        Spawn { namespaces: 0, joins: &[], wait: None, clock_offsets: None, become_root: false, args: &args, inherit: &order.descriptors(), ..*spawn };
    clone_child(&launcher, None)
}

/// Runs in the launcher, which has a single thread: joins the namespaces, clones the process that executes the program with `args`, and exits. Returns
/// only if the arguments are malformed or the descriptors cannot be marked; the creator then sees a launcher that exited without a report.
pub fn launch(report: i32, args: &[CString], order: &str, clock_offsets: &CStr) -> Option<Infallible> {
    let order = Order::from_text(order)?;
    close_on_exec_from_3().ok()?; // the descriptors to inherit are listed in `order`
    let (argv, envp) = (pointers(args), [std::ptr::null()]);
    let child = Child {
        intermediate: true,
        inner_flags: order.namespaces,
        joins: order.joins.as_ptr(),
        join_count: order.joins.len(),
        wait: order.wait[0],
        wait_writer: order.wait[1],
        clock_offsets: if clock_offsets.is_empty() { std::ptr::null() } else { clock_offsets.as_ptr() },
        clock_offsets_length: clock_offsets.count_bytes(),
        become_root: order.become_root,
        unshare_flags: 0,
        program: order.program,
        argv: argv.as_ptr(),
        envp: envp.as_ptr(),
        inherit: order.inherit.as_ptr(),
        inherit_count: order.inherit.len(),
        report,
        pid_pipe: order.pid_pipe,
    };
    // SAFETY: `child` and all it points to live as long as this process, and its clone has a copy.
    unsafe { run_child(&child) }
}

/// The launcher's instructions, beside report, arguments and clock offsets. Descriptors are numbers, -1 for none.
#[derive(Debug, PartialEq)]
struct Order {
    namespaces: u64,
    become_root: bool,
    program: i32,
    pid_pipe: i32,
    wait: [i32; 2],
    joins: Vec<Join>,
    inherit: Vec<i32>,
}

impl Order {
    /// All descriptors that the launcher must inherit.
    fn descriptors(&self) -> Vec<i32> {
        let own = [self.program, self.pid_pipe].into_iter().chain(self.wait).chain(self.joins.iter().map(|join| join.fd));
        own.filter(|number| *number >= 0).chain(self.inherit.iter().copied()).collect()
    }

    /// Decimal numbers, separated by spaces.
    fn to_text(&self) -> String {
        let [reader, writer] = self.wait;
        let head = [self.namespaces as i64, self.become_root.into(), self.program.into(), self.pid_pipe.into(), reader.into(), writer.into()];
        let joins = self.joins.iter().flat_map(|join| [join.fd.into(), join.flag as i64, join.step as i64]);
        let inherit = self.inherit.iter().map(|number| i64::from(*number));
        let numbers: Vec<String> = head.into_iter().chain([self.joins.len() as i64]).chain(joins).chain(inherit).map(|number| number.to_string()).collect();
        numbers.join(" ")
    }

    fn from_text(text: &str) -> Option<Order> {
        let numbers: Vec<i64> = text.split(' ').map(|number| number.parse().ok()).collect::<Option<_>>()?;
        let [namespaces, become_root, program, pid_pipe, reader, writer, join_count, rest @ ..] = numbers.as_slice() else { return None };
        let (joins, inherit) = rest.split_at_checked(usize::try_from(*join_count).ok()?.checked_mul(3)?)?;
        let number = |number: &i64| i32::try_from(*number).ok();
        let join = |join: &[i64]| Some(Join { fd: number(&join[0])?, flag: join[1] as u64, step: Step::from_number(number(&join[2])?)? });
        Some(Order {
            namespaces: *namespaces as u64,
            become_root: *become_root != 0,
            program: number(program)?,
            pid_pipe: number(pid_pipe)?,
            wait: [number(reader)?, number(writer)?],
            joins: joins.chunks_exact(3).map(join).collect::<Option<_>>()?,
            inherit: inherit.iter().map(number).collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_survives_a_round_trip() {
        let join = Join { fd: 7, flag: libc::CLONE_NEWPID as u64, step: Step::JoinPid };
        let order = Order { namespaces: 0x7c02_0000, become_root: true, program: 5, pid_pipe: 6, wait: [8, 9], joins: vec![join], inherit: vec![0, 1, 2, 11] };
        assert_eq!(order.descriptors(), [5, 6, 8, 9, 7, 0, 1, 2, 11]);
        let empty = Order { wait: [-1, -1], joins: vec![], inherit: vec![], ..Order::from_text(&order.to_text()).unwrap() };
        assert_eq!(Order::from_text(&order.to_text()), Some(order));
        assert_eq!(Order::from_text(&empty.to_text()), Some(empty));
        for bad in ["", "1", "0 0 5 6 -1 -1 1 7", "0 0 5 6 -1 -1 1 7 8 9", "0 0 x 6 -1 -1 0"] {
            assert_eq!(Order::from_text(bad), None, "{bad}");
        }
    }
}
