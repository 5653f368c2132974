//! Names of what a spawned process does before its exec, so that it can report by number what failed.

use tsrunc_plan::container::Namespace;

/// Where a child failed before its exec. Negative, so that no length of a message is mistaken for one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    BecomeUndumpable = -21,
    JoinUser,
    JoinMount,
    JoinPid,
    JoinNetwork,
    JoinIpc,
    JoinUts,
    JoinCgroup,
    JoinTime,
    Clone,
    Wait,
    UnshareTime,
    SetClocks,
    BecomeRoot,
    Unshare,
    Inherit,
    Execute,
}

impl Step {
    const ALL: [Step; 17] = {
        use Step::*;
        [
            BecomeUndumpable,
            JoinUser,
            JoinMount,
            JoinPid,
            JoinNetwork,
            JoinIpc,
            JoinUts,
            JoinCgroup,
            JoinTime,
            Clone,
            Wait,
            UnshareTime,
            SetClocks,
            BecomeRoot,
            Unshare,
            Inherit,
            Execute,
        ]
    };

    /// The step that reported itself by this number.
    pub fn from_number(number: i32) -> Option<Step> {
        Step::ALL.into_iter().find(|step| *step as i32 == number)
    }

    /// The step of joining a namespace of that type.
    pub(super) fn joining(namespace: Namespace) -> Step {
        match namespace {
            Namespace::User => Step::JoinUser,
            Namespace::Mount => Step::JoinMount,
            Namespace::Pid => Step::JoinPid,
            Namespace::Network => Step::JoinNetwork,
            Namespace::Ipc => Step::JoinIpc,
            Namespace::Uts => Step::JoinUts,
            Namespace::Cgroup => Step::JoinCgroup,
            Namespace::Time => Step::JoinTime,
        }
    }
}
