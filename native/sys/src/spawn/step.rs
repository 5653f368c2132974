//! The steps of a spawned process before its exec, which it reports by number if one fails.

use tsrunc_plan::container::Namespace;

/// The step that failed. Negative, so that it cannot be confused with the length of a message.
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

    /// The step with this number.
    pub fn from_number(number: i32) -> Option<Step> {
        Step::ALL.into_iter().find(|step| *step as i32 == number)
    }

    /// The step that joins a namespace of this type.
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
