//! Helpers for tests of several modules.

use tsrunc_plan::record::{ContainerRecord, RecordedStatus, RECORD_VERSION};

/// A temporary directory, removed when dropped.
pub struct TempDir(String);

impl TempDir {
    pub fn new() -> Self {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tsrunc-test-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        TempDir(path.into_os_string().into_string().unwrap())
    }

    pub fn path(&self) -> &str {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A directory with these files, in place of a cgroup.
pub fn directory_with(files: &[(&str, &str)]) -> TempDir {
    let temp = TempDir::new();
    for (name, content) in files {
        std::fs::write(format!("{}/{name}", temp.path()), content).unwrap();
    }
    temp
}

/// A record of a container that is being created.
pub fn record(id: &str) -> ContainerRecord {
    ContainerRecord {
        version: RECORD_VERSION,
        id: id.into(),
        status: RecordedStatus::Creating,
        bundle: "/b".into(),
        rootfs: "/b/rootfs".into(),
        annotations: None,
        created: "2026-01-01T00:00:00Z".into(),
        owner_uid: 0,
        process: None,
        namespaces: Vec::new(),
        joined_namespaces: Vec::new(),
        external_mounts: Vec::new(),
        chroot: false,
        own_pid_namespace: true,
        cgroups: Vec::new(),
        unit: None,
        resources: None,
        mount_label: None,
        defaults: None,
        env: None,
        exec_affinity: None,
        oom_score_adj: None,
        undo: Vec::new(),
        poststart: Vec::new(),
        poststop: Vec::new(),
        hook_output: None,
    }
}
