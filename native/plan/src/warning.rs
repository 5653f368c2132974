//! What is worth telling about a configuration that is carried out nevertheless.

use crate::plain;

plain! {
/// Something that is done otherwise than config.json has it, or that it should say otherwise (runtime.md#warnings).
#[derive(Eq)]
pub struct Warning {
    /// JSON pointer of the field concerned, the first one where there are several.
    pub pointer: String,
    /// What comes of it and why, in words.
    pub message: String,
    /// Stable name of its kind, for callers to branch on.
    pub rule: String,
}
}
