//! Finds the seccomp profile in the text of a configuration without parsing it: the text is the key of the cache.

use std::ops::Range;

/// Stands in a configuration for a profile whose filter is ready.
pub const STAND_IN: &str = r#"{"defaultAction":"SCMP_ACT_ALLOW"}"#;

/// Where the value of `/linux/seccomp` stands, an object. None where there is none, and where anything is unusual: a member of the first
/// two levels twice, an escape in its name, broken JSON. What is skipped is not checked: the caller parses the rest, and knows the value.
pub fn find(text: &str) -> Option<Range<usize>> {
    // Most configurations have none.
    text.find("\"seccomp\"")?;
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0 };
    let mut profile = None;
    let mut sections = 0;
    scanner.members(|scanner, name| {
        if name != b"linux" {
            return scanner.skip_value();
        }
        sections += 1;
        scanner.members(|scanner, name| {
            let start = scanner.at;
            scanner.skip_value()?;
            if name == b"seccomp" && profile.replace(start..scanner.at).is_some() {
                return None;
            }
            Some(())
        })
    })?;
    scanner.skip_space();
    if scanner.at != text.len() || sections != 1 {
        return None;
    }
    profile.filter(|range| text.as_bytes()[range.start] == b'{')
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        self.skip_space();
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    /// Calls `visit` for each member of an object, at the start of its value, which it must leave behind.
    fn members(&mut self, mut visit: impl FnMut(&mut Self, &'a [u8]) -> Option<()>) -> Option<()> {
        self.take(b'{')?;
        self.skip_space();
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.skip_space();
            let name = self.string()?;
            if name.contains(&b'\\') {
                return None;
            }
            self.take(b':')?;
            self.skip_space();
            visit(self, name)?;
            self.skip_space();
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// A string, its escapes as they stand.
    fn string(&mut self) -> Option<&'a [u8]> {
        if self.peek()? != b'"' {
            return None;
        }
        let start = self.at + 1;
        self.at = start;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(&self.bytes[start..self.at - 1])
    }

    fn skip_value(&mut self) -> Option<()> {
        let mut depth = 0;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                b'}' | b']' | b',' if depth == 0 => return None, // no value at all
                _ if depth == 0 => {
                    while !matches!(self.peek()?, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t') {
                        self.at += 1;
                    }
                }
                _ => self.at += 1,
            }
            if depth == 0 {
                return Some(());
            }
        }
    }
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
