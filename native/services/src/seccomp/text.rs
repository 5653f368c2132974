//! Finds the seccomp profile in the text of a configuration. Its text is part of the key of the cache.

use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Replaces a profile whose filter is cached. If a caller used it as the profile by mistake, the container would be killed instead of running
/// unconfined.
pub const PLACEHOLDER: &str = r#"{"defaultAction":"SCMP_ACT_KILL_PROCESS"}"#;

// For duplicate members JSON.parse uses the last one. serde's derived code fails, so that `find` returns None.
#[derive(Deserialize)]
struct Config<'a> {
    #[serde(borrow)]
    linux: Linux<'a>,
}

#[derive(Deserialize)]
struct Linux<'a> {
    #[serde(borrow)]
    seccomp: &'a RawValue,
}

/// The range of the value of `/linux/seccomp`, if that is an object. None if absent, for duplicate members on the first two levels, and for invalid
/// JSON; the core then deals with the whole text.
pub fn find(text: &str) -> Option<Range<usize>> {
    // A quick check, because most configurations have no profile.
    text.find("\"seccomp\"")?;
    let profile = serde_json::from_str::<Config>(text).ok()?.linux.seccomp.get();
    let start = profile.as_ptr() as usize - text.as_ptr() as usize;
    profile.starts_with('{').then_some(start..start + profile.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<&str> {
        find(text).map(|range| &text[range])
    }

    #[test]
    fn finds_the_profile_verbatim() {
        let profile = r#"{ "defaultAction": "}\"{", "syscalls": [{"names": ["[", "\\"]}] }"#;
        for text in [
            format!(r#"{{"linux":{{"seccomp":{profile}}}}}"#),
            format!("\n {{ \"a\" : 1 , \"b\":[{{}}], \"linux\" : {{ \"x\":\"seccomp\" ,\t\"seccomp\" : {profile} , \"y\" : null }} , \"c\":{{\"seccomp\":{{}}}} }} \n"),
            format!(r#"{{"seccomp":{{}},"linux":{{"seccomp":{profile},"n":-1.5e3,"t":true}}}}"#),
        ] {
            assert_eq!(found(&text), Some(profile), "{text}");
        }
    }

    #[test]
    fn ignores_configurations_that_have_none_or_are_unusual() {
        for text in [
            "",
            "{}",
            r#""seccomp""#,
            r#"{"seccomp":{}}"#,
            r#"{"linux":{"a":{"seccomp":{}}}}"#,
            r#"{"linux":{"seccomp":null}}"#,
            r#"{"linux":null,"seccomp":{}}"#,
            r#"{"linux":{"seccomp":{}},"linux":null}"#,
            r#"{"linux":{"seccomp":[]}}"#,
            // Duplicate members, also with escaped names.
            r#"{"linux":{"seccomp":{},"seccomp":{"a":1}}}"#,
            r#"{"linux":{"seccomp":{}},"linux":{}}"#,
            r#"{"linux":{"seccomp":{},"secc\u006fmp":{"a":1}}}"#,
            r#"{"linux":{"seccomp":{}},"lin\u0075x":{}}"#,
            r#"{"linux":{"seccomp":{}}} x"#,
            r#"{"linux":{"seccomp":{}"#,
            r#"{"linux":{"seccomp":{}}"#,
            r#"{"linux":{"seccomp":}}"#,
            r#"{"linux":{"seccomp":{} "x":1}}"#,
            r#"{"linux":{"seccomp":{}},}"#,
            r#"{linux:{"seccomp":{}}}"#,
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
