//! JSON text to a tree, strictly: a field that occurs twice is an error, where `serde_json::Value` keeps the last one
//! without a word, and depth and size are bounded.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};
use serde_json::Number;

use super::flaw::{Flaw, shown};

/// The longest document. 10 000 rules of 100 bytes fit; SSM's largest parameter has 8 KiB.
pub(super) const MAX_BYTES: usize = 1024 * 1024;

/// The deepest nesting of objects and lists. The schema needs 6.
const MAX_DEPTH: usize = 16;

/// A JSON value.
#[derive(Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// What this is, for messages: `a number`.
    pub(super) fn noun(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Number(_) => "a number",
            Json::Text(_) => "a string",
            Json::List(_) => "a list",
            Json::Object(_) => "an object",
        }
    }

    /// The same value without spaces; fields in the order of their names.
    pub(super) fn compact(&self) -> Result<String, Flaw> {
        serde_json::to_string(self).map_err(|error| Flaw::new(error.to_string()))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Json::Null => serializer.serialize_unit(),
            Json::Bool(value) => serializer.serialize_bool(*value),
            Json::Number(number) => number.serialize(serializer),
            Json::Text(text) => serializer.serialize_str(text),
            Json::List(items) => serializer.collect_seq(items),
            Json::Object(fields) => serializer.collect_map(fields),
        }
    }
}

/// Reads one JSON value, and nothing after it.
pub(super) fn parse(text: &str) -> Result<Json, Flaw> {
    parse_up_to(text, MAX_BYTES)
}

/// [`parse`] with a limit of its own.
pub(super) fn parse_up_to(text: &str, limit_bytes: usize) -> Result<Json, Flaw> {
    if text.len() > limit_bytes {
        return Err(Flaw::new("it is larger than 1 MiB"));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Seed { depth_left: MAX_DEPTH }
        .deserialize(&mut deserializer)
        .and_then(|json| deserializer.end().map(|()| json))
        .map_err(|error| Flaw::new(error.to_string()))
}

/// Whether the text is one JSON object in which no field occurs twice: every reader then reads the same.
///
/// # Errors
/// What is wrong with it, and where.
pub fn check_object(text: &str) -> Result<(), Flaw> {
    match parse(text)? {
        Json::Object(_) => Ok(()),
        other => Err(Flaw::new(format!("it is {} and not an object", other.noun()))),
    }
}

/// Reads a value inside which objects and lists may nest this deep.
#[derive(Clone, Copy)]
struct Seed {
    depth_left: usize,
}

impl Seed {
    fn inner<E: Error>(self) -> Result<Self, E> {
        let depth_left = self.depth_left.checked_sub(1);
        depth_left
            .map(|depth_left| Self { depth_left })
            .ok_or_else(|| E::custom(format!("nested deeper than {MAX_DEPTH} levels")))
    }
}

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Json, E> {
        Number::from_f64(number).map(Json::Number).ok_or_else(|| E::custom("a number that is too large"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let inner = self.inner()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Json, A::Error> {
        let inner = self.inner()?;
        let mut object = BTreeMap::new();
        while let Some(name) = fields.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format!("the field {} occurs twice", shown(&name))));
            }
            let value = fields.next_value_seed(inner)?;
            object.insert(name, value);
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaw(text: &str) -> String {
        parse(text).expect_err("a flaw").to_string()
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let json = parse(r#"{"a":[null,true,1,-1,1.5,"x"],"b":{}}"#).expect("JSON");
        let number = |number: f64| Json::Number(Number::from_f64(number).expect("a number"));
        let list = vec![
            Json::Null,
            Json::Bool(true),
            Json::Number(1.into()),
            Json::Number((-1).into()),
            number(1.5),
            Json::Text("x".to_owned()),
        ];
        let object =
            BTreeMap::from([("a".to_owned(), Json::List(list)), ("b".to_owned(), Json::Object(BTreeMap::new()))]);
        assert_eq!(json, Json::Object(object));
    }

    #[test]
    fn compact_text_is_the_same_value() {
        let text = "{ \"b\" : [ 1, -2, 1.5, true, null ],\n \"a\": \"\\u00e4 \\\" x\" }";
        let compact = parse(text).expect("JSON").compact().expect("text");
        assert_eq!(compact, r#"{"a":"ä \" x","b":[1,-2,1.5,true,null]}"#);
        assert_eq!(parse(&compact), parse(text));
    }

    #[test]
    fn a_field_that_occurs_twice_is_refused() {
        assert_eq!(flaw("{\n \"a\": 1,\n \"a\": 1}"), "the field `a` occurs twice at line 3 column 4");
        assert_eq!(flaw(r#"[{"b":{"a":1,"\u0061":2}}]"#), "the field `a` occurs twice at line 1 column 21");
    }

    #[test]
    fn syntax_errors_say_where() {
        assert_eq!(flaw("{\"a\": 1,}"), "trailing comma at line 1 column 9");
        assert_eq!(flaw("{}\n{}"), "trailing characters at line 2 column 1");
        assert_eq!(flaw(""), "EOF while parsing a value at line 1 column 0");
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(16)).is_ok());
        assert_eq!(flaw(&nested(17)), "nested deeper than 16 levels at line 1 column 18");
        assert!(parse(&"[".repeat(MAX_BYTES)).is_err());
    }

    #[test]
    fn size_is_bounded() {
        let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
        assert!(parse(&text(MAX_BYTES)).is_ok());
        assert_eq!(flaw(&text(MAX_BYTES + 1)), "it is larger than 1 MiB");
    }
}
