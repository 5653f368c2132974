//! Deserializes enums whose JSON names the variant in its first field: `{"op":"mount","destination":...}`. serde's own tagged enums
//! accept the tag at any position, so they buffer each object and parse it twice, at every level: a plan took three times as long.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, IntoDeserializer, MapAccess, VariantAccess, Visitor};

/// Presents such an object to serde's derived code as an externally tagged enum.
pub struct TagFirst<D> {
    pub tag: &'static str,
    pub inner: D,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for TagFirst<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(Object { tag: self.tag, visitor })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Object<V> {
    tag: &'static str,
    visitor: V,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Object<V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "an object that begins with {:?}", self.tag)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<V::Value, A::Error> {
        match fields.next_key::<&str>()? {
            Some(first) if first == self.tag => self.visitor.visit_enum(Variant(fields)),
            _ => Err(A::Error::custom(format_args!("{:?} must be the first field", self.tag))),
        }
    }
}

struct Variant<A>(A);

impl<'de, A: MapAccess<'de>> EnumAccess<'de> for Variant<A> {
    type Error = A::Error;
    type Variant = Fields<'de, A>;

    fn variant_seed<S: DeserializeSeed<'de>>(mut self, seed: S) -> Result<(S::Value, Fields<'de, A>), A::Error> {
        let name: &str = self.0.next_value()?;
        Ok((seed.deserialize(name.into_deserializer())?, Fields(self.0, PhantomData)))
    }
}

struct Fields<'de, A>(A, PhantomData<&'de ()>);

impl<'de, A: MapAccess<'de>> VariantAccess<'de> for Fields<'de, A> {
    type Error = A::Error;

    fn unit_variant(mut self) -> Result<(), A::Error> {
        match self.0.next_key::<IgnoredAny>()? {
            None => Ok(()),
            Some(_) => Err(A::Error::custom("this variant has no fields")),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        seed.deserialize(MapAccessDeserializer::new(self.0))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, _visitor: V) -> Result<V::Value, A::Error> {
        Err(A::Error::custom("an object is not a tuple"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _fields: &'static [&'static str], visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_map(self.0)
    }
}

// With the feature `typescript`, `tagged!` derives serde's own reader, which accepts the tag at any position.
#[cfg(all(test, not(feature = "typescript")))]
mod tests {
    use crate::operation::Operation;

    fn read(text: &str) -> Result<Operation, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn variants_with_and_without_fields_survive_a_round_trip() {
        for text in
            [r#"{"op":"pivotRoot"}"#, r#"{"op":"mount","destination":"/a","source":{"kind":"bind","source":"/b","recursive":true},"pointer":"/mounts/0"}"#]
        {
            assert_eq!(serde_json::to_string(&read(text).unwrap()).unwrap(), text);
        }
    }

    #[test]
    fn refuses_malformed_objects() {
        for (text, reason) in [
            (r#"{"path":"/a","op":"rootfs"}"#, "\"op\" must be the first field"),
            (r#"{}"#, "\"op\" must be the first field"),
            (r#"{"op":"fly"}"#, "unknown variant `fly`"),
            (r#"{"op":"rootfs"}"#, "missing field `path`"),
            (r#"{"op":"rootfs","path":"/a","more":1}"#, "unknown field `more`"),
            (r#"{"op":"pivotRoot","more":1}"#, "this variant has no fields"),
            (r#"{"op":7}"#, "invalid type: integer `7`"),
            (r#"["rootfs"]"#, "an object that begins with \"op\""),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
