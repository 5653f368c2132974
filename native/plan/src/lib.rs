//! The JSON types that the TypeScript core and the native layer exchange: requests, replies and plans. The TypeScript
//! declarations are generated from them.
//!
//! Rules: plain data, no conditions; camelCase names as in config.json; integers that may exceed 2^53
//! are decimal strings (a double would round them); an unknown field is an error.

pub mod cgroup;
pub mod container;
pub mod criu;
pub mod failure;
pub mod host_facts;
pub mod id_mapping;
pub mod operation;
pub mod process_identity;
pub mod record;
pub mod request;
pub mod seccomp;
pub mod systemd;
pub mod tag_first;
pub mod undo;
pub mod update;
pub mod warning;

/// Declares a plan type: serde in camelCase, unknown fields refused; with the feature `typescript` also its TypeScript declaration.
#[macro_export]
macro_rules! plain {
    ($(#[$meta:meta])* pub struct $($rest:tt)*) => {
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        #[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(export, export_to = "plan.ts"))]
        $(#[$meta])* pub struct $($rest)*
    };
    ($(#[$meta:meta])* pub enum $($rest:tt)*) => {
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(export, export_to = "plan.ts"))]
        $(#[$meta])* pub enum $($rest)*
    };
}

/// As `plain!`, for an enum whose variant is named by its first JSON field, the tag: `tagged! { "op", operation_reader, "Operation"; pub enum
/// Operation ... }`. `operation_reader` is the name of the module that the macro makes for `Deserialize`.
#[macro_export]
macro_rules! tagged {
    ($tag:literal, $reader:ident, $path:literal; $(#[$meta:meta])* pub enum $name:ident { $($variants:tt)* }) => {
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        #[serde(tag = $tag, rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
        #[cfg_attr(feature = "typescript", derive(ts_rs::TS, serde::Deserialize), ts(export, export_to = "plan.ts"))]
        $(#[$meta])* pub enum $name { $($variants)* }

        #[cfg(not(feature = "typescript"))]
        mod $reader {
            use super::*;

            /// The same enum for serde to derive `Deserialize` on; no value of it is ever constructed.
            #[allow(dead_code)]
            #[derive(serde::Deserialize)]
            #[serde(remote = $path, rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
            enum Fields { $($variants)* }

            impl<'de> serde::Deserialize<'de> for $name {
                fn deserialize<D: serde::Deserializer<'de>>(inner: D) -> Result<Self, D::Error> {
                    Fields::deserialize($crate::tag_first::TagFirst { tag: $tag, inner })
                }
            }
        }
    };
}
