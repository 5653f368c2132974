//! Converts JSON to a D-Bus value of a given type.

use rustbus::params::{Array, Base, Container, Param};
use rustbus::signature::{Base as BaseType, Container as ContainerType, Type};
use serde_json::Value;

/// The value. None if the JSON does not match the type, or the type does not occur in plans (dictionaries, variants, descriptors).
pub fn typed(signature: &Type, value: &Value) -> Option<Param<'static, 'static>> {
    Some(match signature {
        Type::Base(base) => Param::Base(base_value(*base, value)?),
        Type::Container(ContainerType::Array(element)) => {
            let values = value.as_array()?.iter().map(|item| typed(element, item)).collect::<Option<_>>()?;
            Param::Container(Container::Array(Array { element_sig: (**element).clone(), values }))
        }
        Type::Container(ContainerType::Struct(members)) => {
            let (members, items) = (members.as_ref(), value.as_array()?);
            if members.len() != items.len() {
                return None;
            }
            Param::Container(Container::Struct(members.iter().zip(items).map(|(member, item)| typed(member, item)).collect::<Option<_>>()?))
        }
        Type::Container(ContainerType::Dict(..) | ContainerType::Variant) => return None,
    })
}

fn base_value(base: BaseType, value: &Value) -> Option<Base<'static>> {
    let text = || value.as_str().map(str::to_owned);
    Some(match base {
        BaseType::Boolean => Base::Boolean(value.as_bool()?),
        BaseType::Byte => Base::Byte(value.as_u64()?.try_into().ok()?),
        BaseType::Int16 => Base::Int16(value.as_i64()?.try_into().ok()?),
        BaseType::Uint16 => Base::Uint16(value.as_u64()?.try_into().ok()?),
        BaseType::Int32 => Base::Int32(value.as_i64()?.try_into().ok()?),
        BaseType::Uint32 => Base::Uint32(value.as_u64()?.try_into().ok()?),
        BaseType::Int64 => Base::Int64(value.as_str()?.parse().ok()?),
        BaseType::Uint64 => Base::Uint64(value.as_str()?.parse().ok()?),
        BaseType::Double => Base::Double(value.as_f64()?.to_bits()),
        BaseType::String => Base::String(text()?),
        BaseType::Signature => Base::Signature(text()?),
        BaseType::ObjectPath => Base::ObjectPath(text()?),
        BaseType::UnixFd => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustbus::message_builder::MessageBuilder;
    use serde_json::json;

    fn bytes(signature: &str, value: &Value) -> Option<Vec<u8>> {
        let types = Type::parse_description(signature).unwrap();
        let mut message = MessageBuilder::with_byteorder(rustbus::ByteOrder::LittleEndian).call("A").on("/").build();
        message.body.push_old_param(&typed(types.first()?, value)?).ok()?;
        assert_eq!(message.get_sig(), signature);
        Some(message.get_buf().to_vec())
    }

    #[test]
    fn encodes_values_as_specified() {
        assert_eq!(bytes("b", &json!(true)), Some(vec![1, 0, 0, 0]));
        assert_eq!(bytes("y", &json!(7)), Some(vec![7]));
        assert_eq!(bytes("t", &json!("18446744073709551615")), Some(vec![255; 8]));
        assert_eq!(bytes("i", &json!(-2)), Some(vec![254, 255, 255, 255]));
        assert_eq!(bytes("s", &json!("ab")), Some(vec![2, 0, 0, 0, b'a', b'b', 0]));
        assert_eq!(bytes("ay", &json!([1, 2])), Some(vec![2, 0, 0, 0, 1, 2]));
        assert_eq!(bytes("au", &json!([5])), Some(vec![4, 0, 0, 0, 5, 0, 0, 0]));
        // Structures are aligned to 8 bytes.
        let pairs = bytes("a(ss)", &json!([["a", "r"]])).unwrap();
        assert_eq!(pairs, [14, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, b'a', 0, 0, 0, 1, 0, 0, 0, b'r', 0]);
        assert_eq!(bytes("as", &json!([])), Some(vec![0; 4]));
    }

    #[test]
    fn refuses_values_that_do_not_match_their_type() {
        for (signature, value) in [
            ("y", json!(256)),
            ("t", json!(5)),
            ("t", json!("-1")),
            ("s", json!(5)),
            ("b", json!("true")),
            ("as", json!("a")),
            ("a(ss)", json!([["a"]])),
            ("v", json!(1)),
        ] {
            assert_eq!(bytes(signature, &value), None, "{signature} {value}");
        }
    }
}
