//! Runs programs of the host and collects their output.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

use rustix::io::Errno;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::request::Reply;
use tsrunc_sys::errno::During;

/// Runs the first of the candidates that exists. Skips and reports errors as execvp(3) does, but ignores relative paths, because the working
/// directory may belong to another user.
pub fn run(candidates: &[String], args: &[String]) -> Result<Reply, Failure> {
    let mut denied = None;
    for path in candidates.iter().filter(|path| path.starts_with('/')) {
        let during = || format!("run {path:?}");
        match Command::new(path).args(args).stdin(Stdio::null()).output() {
            Ok(output) => return Ok(finished(&output)),
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::NOENT | Errno::NOTDIR) => {}
                Some(Errno::ACCESS) => denied = denied.or(Some(Err(error).during(during))),
                _ => return Err(error).during(during),
            },
        }
    }
    let missing = || Err(Failure::new(FailureCode::NotFound, "run a program", "there is none of them"));
    denied.unwrap_or_else(missing)
}

fn finished(output: &Output) -> Reply {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let status = output.status.code().or_else(|| Some(128 + output.status.signal()?)).unwrap_or_default() as u32;
    Reply::Finished { status, stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn runs_the_first_program_that_exists() {
        let temp = TempDir::new();
        let denied = format!("{}/denied", temp.path());
        std::fs::write(&denied, "").unwrap();
        let script = strings(&["-c", "cat; echo out; printf '\\377' >&2; exit 3"]);
        let reply = run(&strings(&["/nowhere/sh", "/etc/passwd/sh", &denied, "/bin/sh", "/bin/false"]), &script).unwrap();
        assert_eq!(reply, Reply::Finished { status: 3, stdout: "out\n".into(), stderr: "\u{fffd}".into() });
    }

    #[test]
    fn reports_missing_programs_and_missing_permission() {
        let temp = TempDir::new();
        let denied = format!("{}/denied", temp.path());
        std::fs::write(&denied, "").unwrap();
        assert_eq!(run(&strings(&["/nowhere/sh", "bin/sh", ""]), &[]).unwrap_err().code, FailureCode::NotFound);
        assert_eq!(run(&strings(&[&denied, "/nowhere/sh"]), &[]).unwrap_err().errno.as_deref(), Some("EACCES"));
    }

    #[test]
    fn the_status_of_a_killed_program_is_128_plus_the_signal() {
        let reply = run(&strings(&["/bin/sh"]), &strings(&["-c", "kill -9 $$"])).unwrap();
        assert_eq!(reply, Reply::Finished { status: 137, stdout: String::new(), stderr: String::new() });
    }
}
