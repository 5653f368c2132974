//! Overlays whose `lowerdir` is too long for one fsconfig(2) option.

use std::os::fd::OwnedFd;

use tsrunc_plan::failure::Failure;

use crate::file_system::{configure, create, fits_fsconfig, open_context, NewFileSystem, MAX_STRING};

/// Creates an overlay from one option per layer, `lowerdir+` and `datadir+` (Linux 6.8). None if that is not possible: another file system, or a
/// string that is still too long.
///
/// # Errors
/// `EINVAL` also from a kernel without these options.
pub fn with_layers_one_by_one(new: &NewFileSystem<'_>) -> Option<Result<OwnedFd, Failure>> {
    if new.fs_type != "overlay" {
        return None;
    }
    let (layers, others): (Vec<_>, Vec<_>) = new.data.iter().cloned().partition(|entry| entry.starts_with("lowerdir="));
    let [layers] = layers.as_slice() else { return None };
    let layers = one_by_one(layers.strip_prefix("lowerdir=")?)?;
    if !fits_fsconfig(new.source, &others) {
        return None;
    }
    let make = || {
        let context = open_context(new)?;
        configure(&context, &others)?;
        configure(&context, &layers)?;
        create(&context, new.attributes)
    };
    Some(make())
}

/// Splits a `lowerdir` into one option per layer: colons separate layers, two colons precede a data-only layer, a backslash escapes the next
/// character. None for a malformed list, and for a layer that is too long.
fn one_by_one(lowerdir: &str) -> Option<Vec<String>> {
    let mut options = Vec::new();
    let mut key = "lowerdir+";
    let mut characters = lowerdir.chars().peekable();
    while characters.peek().is_some() {
        let mut layer = String::new();
        loop {
            match characters.next() {
                None | Some(':') => break,
                Some('\\') => layer.push(characters.next()?),
                Some(character) => layer.push(character),
            }
        }
        if layer.is_empty() || layer.len() > MAX_STRING {
            return None;
        }
        options.push(format!("{key}={layer}"));
        match (characters.next_if_eq(&':'), key) {
            (Some(_), _) => key = "datadir+",
            (None, "datadir+") if characters.peek().is_some() => return None,
            (None, _) => {}
        }
    }
    Some(options).filter(|_| !lowerdir.ends_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(lowerdir: &str) -> Option<String> {
        one_by_one(lowerdir).map(|options| options.join(" "))
    }

    #[test]
    fn layers_are_separated_by_colons_and_lose_their_backslashes() {
        assert_eq!(options("/a:/b").as_deref(), Some("lowerdir+=/a lowerdir+=/b"));
        assert_eq!(options(r"/a\:b\,c:/d\\e").as_deref(), Some(r"lowerdir+=/a:b,c lowerdir+=/d\e"));
        assert_eq!(options("/a::/data::/more").as_deref(), Some("lowerdir+=/a datadir+=/data datadir+=/more"));
    }

    #[test]
    fn a_malformed_list_is_left_to_the_kernel() {
        for lowerdir in ["", ":/a", "/a:", "/a::", "/a:::/b", "/a::/b:/c", "/a\\", "/a:\\"] {
            assert!(options(lowerdir).is_none_or(|options| options.is_empty()), "{lowerdir}");
        }
        assert_eq!(options(&format!("/a:/{}", "b".repeat(MAX_STRING))), None);
    }
}
