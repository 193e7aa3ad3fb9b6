use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

use super::{Error, find};

/// A JSON value to be read leniently.
#[derive(Clone, Copy)]
pub(super) struct Lenient<'a>(pub(super) &'a Value);

impl Lenient<'_> {
    fn visit_any<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(value), _) => visitor.visit_u64(value),
                (None, Some(value)) => visitor.visit_i64(value),
                _ => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_str(text),
            Value::Array(items) => visitor.visit_seq(Items { items: items.iter().enumerate() }),
            Value::Object(object) => visitor.visit_map(Members::all(object)),
        }
    }

    fn mismatch(self, expected: &dyn serde::de::Expected) -> Error {
        Error::invalid_type(Unexpected::Other(""), expected).with_value(self.0)
    }
}

impl<'de> Deserializer<'de> for Lenient<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.visit_any(visitor).map_err(|e| e.with_value(self.0))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            Value::String(text) if text.is_empty() => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let empty = Map::new();
        let object = match self.0 {
            Value::Object(object) => object,
            Value::Null => &empty,
            _ => return Err(self.mismatch(&visitor)),
        };
        visitor
            .visit_map(Members::matching(object, fields))
            .map_err(|e| e.with_unknown_keys(|| unknown(object, fields)).with_value(self.0))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let variant = match self.0 {
            Value::String(name) => Variant { name, content: &Value::Null },
            Value::Object(object) if object.len() == 1 => match object.iter().next() {
                Some((name, content)) => Variant { name, content },
                None => return Err(self.mismatch(&visitor)),
            },
            _ => return Err(self.mismatch(&"a string")),
        };
        visitor.visit_enum(variant).map_err(|e| e.with_value(self.0))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier ignored_any
    }
}

/// So many keys that mean nothing are worth showing.
const MOST: usize = 16;

fn unknown<'a>(object: &'a Map<String, Value>, fields: &[&str]) -> Vec<&'a str> {
    let is_known = |key: &str| fields.iter().any(|field| field.eq_ignore_ascii_case(key));
    object.keys().map(String::as_str).filter(|key| !is_known(key)).take(MOST).collect()
}

struct Items<'a> {
    items: std::iter::Enumerate<std::slice::Iter<'a, Value>>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some((index, item)) = self.items.next() else { return Ok(None) };
        seed.deserialize(Lenient(item)).map(Some).map_err(|e| e.with_value(item).at_index(index))
    }
}

/// The members of an object under the names that the visitor asks for.
struct Members<'a> {
    entries: std::vec::IntoIter<Member<'a>>,
    value: Option<Member<'a>>,
}

#[derive(Clone, Copy)]
struct Member<'a> {
    field: &'a str,
    key: &'a str,
    value: &'a Value,
}

impl<'a> Members<'a> {
    fn new(entries: Vec<Member<'a>>) -> Self {
        Self { entries: entries.into_iter(), value: None }
    }

    fn all(object: &'a Map<String, Value>) -> Self {
        Self::new(object.iter().map(|(key, value)| Member { field: key, key, value }).collect())
    }

    /// One entry per key of the object, because a field and its alias may differ in case only.
    fn matching(object: &'a Map<String, Value>, fields: &'static [&'static str]) -> Self {
        let mut entries: Vec<Member<'a>> = Vec::new();
        for field in fields {
            let Some((key, value)) = find(object, field) else { continue };
            if !value.is_null() && entries.iter().all(|taken| taken.key != key) {
                entries.push(Member { field, key, value });
            }
        }
        Self::new(entries)
    }
}

impl<'de> MapAccess<'de> for Members<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.value = self.entries.next();
        let Some(member) = self.value else { return Ok(None) };
        let key: StrDeserializer<'_, Error> = member.field.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some(Member { key, value, .. }) = self.value else {
            return Err(Error::custom("a value without a key"));
        };
        seed.deserialize(Lenient(value)).map_err(|e| e.with_value(value).below(key))
    }
}

struct Variant<'a> {
    name: &'a str,
    content: &'a Value,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Error;
    type Variant = Lenient<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Lenient<'a>), Error> {
        let name: StrDeserializer<'_, Error> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, Lenient(self.content)))
    }
}

impl<'de> VariantAccess<'de> for Lenient<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        if self.0.is_null() { Ok(()) } else { Err(self.mismatch(&"a name without content")) }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_struct("", fields, visitor)
    }
}
