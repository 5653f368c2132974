//! Scheduling: CPU scheduler and affinity, I/O priority, NUMA memory policy, personality.

use rustix::io::Errno;

use crate::namespaces::check;

/// Arguments of sched_setattr(2).
#[derive(Clone, Copy, Default)]
pub struct SchedulerAttributes {
    pub policy: u32,
    pub flags: u64,
    pub nice: i32,
    pub priority: u32,
    /// Nanoseconds; so are the next two.
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
}

/// Sets the scheduler of a process; 0 is the calling thread (sched_setattr(2)).
pub fn set_scheduler(pid: i32, attributes: SchedulerAttributes) -> Result<(), Errno> {
    /// struct sched_attr with the utilization clamps of version 1, which are 0 here (linux/sched/types.h).
    #[repr(C)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime: u64,
        deadline: u64,
        period: u64,
        util: [u32; 2],
    }
    let SchedulerAttributes { policy, flags, nice, priority, runtime, deadline, period } = attributes;
    let attributes = Attributes { size: size_of::<Attributes>() as u32, policy, flags, nice, priority, runtime, deadline, period, util: [0; 2] };
    // SAFETY: the structure has the size in its first field and outlives the call.
    check(unsafe { libc::syscall(libc::SYS_sched_setattr, pid, &raw const attributes, 0) }).map(drop)
}

/// Sets the I/O priority of a process; 0 is the calling thread (ioprio_set(2)).
pub fn set_io_priority(pid: i32, class: u32, level: u32) -> Result<(), Errno> {
    const IOPRIO_WHO_PROCESS: libc::c_int = 1;
    const IOPRIO_CLASS_SHIFT: u32 = 13;
    // SAFETY: takes integers only.
    check(unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, pid, class << IOPRIO_CLASS_SHIFT | level) }).map(drop)
}

/// The largest NR_CPUS of any kernel (x86 with MAXSMP).
const MOST_CPUS: usize = 8192;

/// Allows the calling thread all CPUs of its cpuset. The kernel masks out CPUs that do not exist or are not in the cpuset (sched_setaffinity(2)), so
/// neither must be read first.
pub fn reset_cpu_affinity() -> Result<(), Errno> {
    static ALL: [u8; MOST_CPUS / 8] = [0xff; MOST_CPUS / 8];
    // SAFETY: the mask has the given size and outlives the call, which only reads it.
    check(unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0, ALL.len(), ALL.as_ptr()) }).map(drop)
}

/// Restricts the calling thread to these CPUs.
///
/// # Errors
/// `EINVAL` if none of them exists and is in its cpuset.
pub fn set_cpu_affinity(cpus: &[u32]) -> Result<(), Errno> {
    let mut mask = vec![0u8; cpus.iter().max().map_or(0, |last| *last as usize / 8 + 1).next_multiple_of(size_of::<libc::c_ulong>())];
    for cpu in cpus {
        mask[*cpu as usize / 8] |= 1 << (*cpu % 8);
    }
    // SAFETY: the mask has the given size and outlives the call, which only reads it.
    check(unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0, mask.len(), mask.as_ptr()) }).map(drop)
}

/// Sets the execution domain of the calling process (personality(2)).
pub fn set_personality(persona: u32) -> Result<(), Errno> {
    // SAFETY: takes an integer only.
    check(unsafe { libc::personality(persona.into()) }.into()).map(drop)
}

/// Sets the NUMA memory policy of the calling thread (set_mempolicy(2)). `mode` includes flags; `nodes` may be in any order.
pub fn set_memory_policy(mode: u32, nodes: &[u32]) -> Result<(), Errno> {
    const BITS: usize = libc::c_ulong::BITS as usize;
    let mut mask = vec![0 as libc::c_ulong; nodes.iter().max().map_or(0, |last| *last as usize / BITS + 1)];
    for node in nodes {
        mask[*node as usize / BITS] |= 1 << (*node as usize % BITS);
    }
    // The kernel reads one bit fewer than the given number (mm/mempolicy.c, get_nodes).
    let (pointer, bits) = if mask.is_empty() { (std::ptr::null(), 0) } else { (mask.as_ptr(), mask.len() * BITS + 1) };
    // SAFETY: the mask has as many bits as the kernel reads, and outlives the call.
    check(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode as libc::c_int, pointer, bits) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_lower_its_own_priorities() {
        std::thread::spawn(|| {
            set_scheduler(0, SchedulerAttributes { policy: 3, nice: 5, ..SchedulerAttributes::default() }).unwrap();
            // SAFETY: takes an integer only.
            assert_eq!(unsafe { libc::sched_getscheduler(0) }, 3);
            set_io_priority(0, 3, 7).unwrap();
            // SAFETY: takes integers only.
            assert_eq!(unsafe { libc::syscall(libc::SYS_ioprio_get, 1, 0) }, 3 << 13 | 7);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_reset_affinity_has_all_cpus_again() {
        fn allowed() -> [u8; MOST_CPUS / 8] {
            let mut mask = [0; MOST_CPUS / 8];
            // SAFETY: the mask has the given size and outlives the call.
            check(unsafe { libc::syscall(libc::SYS_sched_getaffinity, 0, mask.len(), mask.as_mut_ptr()) }).unwrap();
            mask
        }
        std::thread::spawn(|| {
            let before = allowed();
            let first = before.iter().position(|byte| *byte != 0).unwrap();
            let mut one = [0u8; MOST_CPUS / 8];
            one[first] = 1 << before[first].trailing_zeros();
            // SAFETY: as above.
            check(unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0, one.len(), one.as_ptr()) }).unwrap();
            assert_eq!(allowed(), one);
            reset_cpu_affinity().unwrap();
            assert_eq!(allowed(), before);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_memory_policy_has_its_nodes() {
        std::thread::spawn(|| {
            set_memory_policy(2, &[0]).unwrap();
            let (mut mode, mut mask) = (0i32, [0 as libc::c_ulong; 16]);
            // SAFETY: both outlive the call, which writes the given number of bits.
            check(unsafe { libc::syscall(libc::SYS_get_mempolicy, &raw mut mode, mask.as_mut_ptr(), 1024, 0, 0) }).unwrap();
            assert_eq!((mode, mask[0]), (2, 1));
            assert_eq!(set_memory_policy(2, &[]), Err(Errno::INVAL));
            assert_eq!(set_memory_policy(2, &[1000]), Err(Errno::INVAL));
            set_memory_policy(0, &[]).unwrap();
        })
        .join()
        .unwrap();
    }

    #[test]
    fn returns_the_kernels_errors() {
        assert_eq!(set_scheduler(0, SchedulerAttributes { policy: 4, ..SchedulerAttributes::default() }), Err(Errno::INVAL));
        assert_eq!(set_io_priority(0, 7, 0), Err(Errno::INVAL));
    }
}
