//! Finds the seccomp profile in the text of a configuration: the text is the key of the cache.

use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Stands in a configuration for a profile whose filter is ready. Whoever took it for the profile would make a container that cannot run.
pub const STAND_IN: &str = r#"{"defaultAction":"SCMP_ACT_KILL_PROCESS"}"#;

// Of members with one name JSON.parse takes the last, and what is derived here takes none: an error.
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

/// Where the value of `/linux/seccomp` stands, an object. None where there is none, and where anything is unusual: a member of the first
/// two levels twice, broken JSON. The caller parses the rest, and knows the value.
pub fn find(text: &str) -> Option<Range<usize>> {
    // Most configurations have none.
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
    fn finds_the_profile_as_it_stands() {
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
    fn leaves_alone_what_has_none_or_is_unusual() {
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
            // Of members with one name the last one counts: which of these it is, only a parser says.
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
