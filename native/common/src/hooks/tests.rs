use tsrunc_plan::operation::HookOutput;

use super::end::MAX_OUTPUT_BYTES;
use super::*;

fn shell(script: &str) -> Hook {
    Hook {
        path: "/bin/sh".into(),
        args: vec!["hook".into(), "-c".into(), script.into()],
        env: Some(vec!["A=b=c".into()]),
        timeout_seconds: Some(5),
        pointer: "/hooks/createRuntime/0".into(),
    }
}

fn run(hook: &Hook, state: &str) -> Result<(), Failure> {
    run_runtime_hooks(std::slice::from_ref(hook), state, &Output::default(), None)
}

fn error_of(hook: &Hook, state: &str) -> String {
    run(hook, state).unwrap_err().to_string()
}

#[test]
fn gives_state_environment_and_arguments() {
    let script = r#"read -r line; [ "$line" = '{"id":"c"}' ] && [ "$A" = b=c ] && [ -z "$HOME$USER" ] && [ "$PWD" = / ]"#;
    run(&shell(script), r#"{"id":"c"}"#).unwrap();
}

#[test]
fn a_hook_without_env_inherits_the_runtime_environment() {
    let script = format!(r#"[ "$PATH" = "{}" ] && [ -z "$A" ]"#, std::env::var("PATH").unwrap());
    run(&Hook { env: None, ..shell(&script) }, "{}").unwrap();
    run(&Hook { env: Some(vec![]), ..shell(&script) }, "{}").unwrap_err();
}

#[test]
fn runs_in_the_bundle() {
    run(&shell(r#"[ "$(pwd -P)" = /proc ]"#), r#"{"bundle":"/proc"}"#).unwrap();
    run(&shell(r#"[ "$(pwd -P)" = / ]"#), r#"{"bundle":"/nowhere"}"#).unwrap();
}

#[test]
fn a_hook_may_leave_a_long_state_unread() {
    run(&shell("exit 0"), &"x".repeat(300 << 10)).unwrap();
}

#[test]
fn reports_status_and_output() {
    assert_eq!(
        error_of(&shell("echo one; echo two >&2; exit 3"), "{}"),
        "error running createRuntime hook #0: \"/bin/sh\" (/hooks/createRuntime/0): exit status 3, output: one\ntwo"
    );
    assert_eq!(error_of(&shell("kill -9 $$"), "{}"), "error running createRuntime hook #0: \"/bin/sh\" (/hooks/createRuntime/0): killed by signal 9");
}

#[test]
fn creates_and_appends_to_output_files() {
    let folder = std::env::temp_dir().join(format!("tsrunc-hooks-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let files = HookOutput { stdout: Some(path("out")), stderr: None };
    for _ in 0..2 {
        let output = Output::open(Some(&files)).unwrap();
        let text = run_runtime_hooks(&[shell("echo out; echo err >&2; exit 3")], "{}", &output, None).unwrap_err().to_string();
        assert_eq!(text, "error running createRuntime hook #0: \"/bin/sh\" (/hooks/createRuntime/0): exit status 3, output: err");
    }
    assert_eq!(std::fs::read_to_string(path("out")).unwrap(), "out\nout\n");
    let nowhere = HookOutput { stdout: None, stderr: Some(path("no/err")) };
    assert!(Output::open(Some(&nowhere)).is_err());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn bounds_the_output() {
    let text = error_of(&shell("head -c 1000000 /dev/zero | tr '\\0' x; exit 1"), "{}");
    assert!((MAX_OUTPUT_BYTES..MAX_OUTPUT_BYTES + 200).contains(&text.len()), "{}", text.len());
}

#[test]
fn kills_the_hook_and_its_children_on_timeout() {
    let hook = Hook { timeout_seconds: Some(1), ..shell("sleep 100 & echo $!; wait") };
    let started = Instant::now();
    let text = error_of(&hook, "{}");
    assert!(started.elapsed() < Duration::from_secs(4));
    let (words, child) = text.rsplit_once(' ').unwrap();
    assert_eq!(words, "error running createRuntime hook #0: \"/bin/sh\" (/hooks/createRuntime/0): timed out after 1 seconds, output:");
    std::thread::sleep(Duration::from_millis(100));
    let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z "), "{state}");
}

#[test]
fn ends_a_hook_in_time_that_writes_without_pause() {
    let started = Instant::now();
    let text = error_of(&Hook { timeout_seconds: Some(1), ..shell("exec yes") }, "{}");
    assert!(text.contains("timed out after 1 seconds"), "{}", &text[..200]);
    assert!(started.elapsed() < Duration::from_secs(4));
}

#[test]
fn does_not_wait_for_processes_that_the_hook_left_running() {
    let started = Instant::now();
    run(&shell("sleep 3 & exit 0"), "{}").unwrap();
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn fails_for_a_hook_that_cannot_be_executed() {
    let missing = Hook { path: "/nowhere".into(), args: vec![], ..shell("") };
    let failure = run(&missing, "{}").unwrap_err();
    assert_eq!(failure.code, FailureCode::Exec);
    assert_eq!(failure.to_string(), "error running createRuntime hook #0: \"/nowhere\" (/hooks/createRuntime/0): ENOENT (no such file or directory)");
    let relative = Hook { path: "sh".into(), ..shell("") };
    assert_eq!(error_of(&relative, "{}"), "error running createRuntime hook #0: \"sh\" (/hooks/createRuntime/0): the path is not absolute");
}

#[test]
fn starts_with_default_signals() {
    // The test process itself ignores SIGPIPE, like every Rust program.
    run(&shell(r#"grep -q "SigIgn:.0000000000000000" /proc/self/status && grep -q "SigBlk:.0000000000000000" /proc/self/status"#), "{}").unwrap();
}

#[test]
fn refuses_strings_with_a_nul() {
    let hook = Hook { env: Some(vec!["A=\0".into()]), ..shell("exit 0") };
    assert_eq!(error_of(&hook, "{}"), "error running createRuntime hook #0: \"/bin/sh\" (/hooks/createRuntime/0): a NUL in path, arguments or environment");
}
