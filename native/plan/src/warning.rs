//! Warnings about a configuration.

use crate::plain;

plain! {
/// Where tsrunc must deviate from config.json, or config.json should be changed (runtime.md#warnings).
#[derive(Eq)]
pub struct Warning {
    /// JSON pointer of the field; the first one if there are several.
    pub pointer: String,
    /// The effect and the reason, in words.
    pub message: String,
    /// Stable identifier of the kind of warning, for callers to branch on.
    pub rule: String,
}
}
