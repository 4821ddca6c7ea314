//! What clients may send, read leniently and told about precisely.
//!
//! Every field type here is its own rule: reading it is checking it. [`deserr`] carries on after a fault, so
//! that all faults of a body are told at once (serde would stop at the first).

use crate::problem::{FieldFault, Problem};
use axum::http::StatusCode;
use deserr::{DeserializeError, Deserr, ErrorKind, IntoValue, MergeWithError, Value, ValuePointerRef};
use serde_json::{Map, Value as Json};
use shared_events::WireDate;
use std::{ops::ControlFlow, str::FromStr};
use time::OffsetDateTime;

mod change;
mod duration;
mod schema;
pub use change::{Change, Replace, agree, same};
pub use duration::duration;

/// The largest price: 10^12 won.
pub const MAX_WON: i64 = 1_000_000_000_000;

/// Why a value was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// 400: it is not of the kind at all, or missing.
    Malformed(String),
    /// 422: it is of the kind, and not acceptable.
    Unacceptable(String),
}

/// All that is wrong with a body or a query string.
#[derive(Debug, Default)]
pub struct Faults(Vec<(String, Wrong)>);

impl Faults {
    /// One fault of one field.
    pub fn one(field: impl Into<String>, wrong: Wrong) -> Self {
        Self(vec![(field.into(), wrong)])
    }

    /// One field is missing.
    pub fn missing(field: &str) -> Self {
        Self::one(field, Wrong::Malformed("is required".to_owned()))
    }

    /// One field says something that is not acceptable.
    pub fn unacceptable(field: &str, message: impl Into<String>) -> Self {
        Self::one(field, Wrong::Unacceptable(message.into()))
    }

    /// Adds a fault.
    pub fn push(&mut self, field: impl Into<String>, wrong: Wrong) {
        self.0.push((field.into(), wrong));
    }

    /// These and others.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Adds what is wrong with `result`, if anything, and hands on what is right.
    pub fn keep<T>(&mut self, result: Result<T, Faults>) -> Option<T> {
        result.map_err(|faults| self.0.extend(faults.0)).ok()
    }

    /// Nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same faults, each of them a 400.
    pub fn malformed(self) -> Self {
        let faults = self.0.into_iter().map(|(field, wrong)| match wrong {
            Wrong::Malformed(message) | Wrong::Unacceptable(message) => (field, Wrong::Malformed(message)),
        });
        Self(faults.collect())
    }

    /// `Err(self)` when there are any.
    pub fn or_ok(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl From<Faults> for Problem {
    fn from(faults: Faults) -> Self {
        let malformed = faults.0.iter().any(|(_, wrong)| matches!(wrong, Wrong::Malformed(_)));
        let (status, code) = if malformed {
            (StatusCode::BAD_REQUEST, "malformed-request")
        } else {
            (StatusCode::UNPROCESSABLE_ENTITY, "unacceptable-value")
        };
        let faults: Vec<_> = faults
            .0
            .into_iter()
            .map(|(field, wrong)| match wrong {
                Wrong::Malformed(message) | Wrong::Unacceptable(message) => FieldFault { field, message },
            })
            .collect();
        let detail =
            faults.iter().map(|f| format!("{} {}", f.field, f.message)).collect::<Vec<_>>().join("; ");
        Problem::new(status, code, detail + ".").with_faults(faults)
    }
}

impl MergeWithError<Faults> for Faults {
    fn merge(this: Option<Self>, other: Faults, _: ValuePointerRef<'_>) -> ControlFlow<Self, Self> {
        let mut all = this.unwrap_or_default();
        all.0.extend(other.0);
        ControlFlow::Continue(all)
    }
}

impl DeserializeError for Faults {
    fn error<V: IntoValue>(
        this: Option<Self>,
        error: ErrorKind<'_, V>,
        location: ValuePointerRef<'_>,
    ) -> ControlFlow<Self, Self> {
        let (field, message) = match error {
            ErrorKind::MissingField { field } => (field.to_owned(), "is required".to_owned()),
            ErrorKind::IncorrectValueKind { accepted, .. } => {
                let kinds: Vec<_> = accepted.iter().map(ToString::to_string).collect();
                (name(location), format!("must be a JSON {}", kinds.join(" or ")))
            }
            ErrorKind::Unexpected { msg } => (name(location), msg),
            _ => (name(location), "is not understood".to_owned()),
        };
        Self::merge(this, Self::one(field, Wrong::Malformed(message)), location)
    }
}

/// `photos[1]`, as a client would write it; a body that is no object is called `body`.
fn name(location: ValuePointerRef<'_>) -> String {
    match location {
        ValuePointerRef::Origin => "body".to_owned(),
        ValuePointerRef::Key { key, prev: ValuePointerRef::Origin } => key.to_owned(),
        ValuePointerRef::Key { key, prev } => format!("{}.{key}", name(*prev)),
        ValuePointerRef::Index { index, prev } => format!("{}[{index}]", name(*prev)),
    }
}

/// Reads a whole body, or a whole query string, into a type of fields.
///
/// # Errors
/// All faults at once.
pub fn read<T: Deserr<Faults>>(fields: Map<String, Json>) -> Result<T, Faults> {
    deserr::deserialize(Json::Object(fields))
}

/// A single value that stands in a field, a query parameter or a path segment.
pub trait Scalar: Sized {
    /// Reads text; numbers may arrive as such, because httpie sends every value as a string.
    fn from_text(text: &str) -> Result<Self, Wrong>;

    /// Reads a JSON number; only numbers and dates take one.
    fn from_number(_: i128) -> Result<Self, Wrong> {
        Err(Wrong::Malformed("must be a string".to_owned()))
    }

    /// Reads a JSON boolean; only flags take one.
    fn from_flag(_: bool) -> Result<Self, Wrong> {
        Err(Wrong::Malformed("must be a string".to_owned()))
    }
}

fn scalar<T: Scalar, V: IntoValue>(value: Value<V>, location: ValuePointerRef<'_>) -> Result<T, Faults> {
    match value {
        Value::String(text) => T::from_text(text.trim()),
        Value::Integer(number) => T::from_number(number.into()),
        Value::NegativeInteger(number) => T::from_number(number.into()),
        // 600000.0 and 6e5 are whole numbers written otherwise.
        Value::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
            T::from_number(number as i128)
        }
        Value::Float(_) => Err(Wrong::Unacceptable("must be a whole number".to_owned())),
        Value::Boolean(flag) => T::from_flag(flag),
        Value::Null => Err(Wrong::Malformed("is required".to_owned())),
        Value::Sequence(_) | Value::Map(_) => Err(Wrong::Malformed("must be a single value".to_owned())),
    }
    .map_err(|wrong| Faults::one(name(location), wrong))
}

macro_rules! scalars {
    ($($name:ident $(<$max:ident>)?),+) => {$(
        impl$(<const $max: usize>)? Deserr<Faults> for $name$(<$max>)? {
            fn deserialize_from_value<V: IntoValue>(
                value: Value<V>,
                location: ValuePointerRef<'_>,
            ) -> Result<Self, Faults> {
                scalar(value, location)
            }
        }
    )+};
}

scalars!(Won, Id, Qty, Natural, UserId, Date, Flag, Line<MAX>, Prose<MAX>);

fn number(text: &str) -> Result<i128, Wrong> {
    text.parse().map_err(|_| {
        if text.parse::<f64>().is_ok_and(f64::is_finite) {
            Wrong::Unacceptable("must be a whole number".to_owned())
        } else {
            Wrong::Malformed("must be a number".to_owned())
        }
    })
}

fn within<T: TryFrom<i128>>(number: i128, min: i128, max: i128) -> Result<T, Wrong> {
    let wrong = || Wrong::Unacceptable(format!("must be between {min} and {max}"));
    if (min..=max).contains(&number) { T::try_from(number).map_err(|_| wrong()) } else { Err(wrong()) }
}

macro_rules! numbers {
    ($($(#[$meta:meta])* $name:ident($inner:ty) in $min:literal ..= $max:expr;)+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(pub $inner);

        impl Scalar for $name {
            fn from_text(text: &str) -> Result<Self, Wrong> {
                Self::from_number(number(text)?)
            }
            fn from_number(number: i128) -> Result<Self, Wrong> {
                within(number, $min, $max as i128).map(Self)
            }
            fn from_flag(_: bool) -> Result<Self, Wrong> {
                Err(Wrong::Malformed("must be a number".to_owned()))
            }
        }
    )+};
}

numbers! {
    /// Whole won, from 0 to [`MAX_WON`].
    Won(i64) in 0 ..= MAX_WON;
    /// The id of a resource.
    Id(i64) in 1 ..= i64::MAX;
    /// A number of units.
    Qty(i32) in 1 ..= 1_000_000;
    /// Any whole number from 0.
    Natural(i64) in 0 ..= i64::MAX;
}

/// `true` or `false`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag(pub bool);

impl Scalar for Flag {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        text.parse().map(Self).map_err(|_| Wrong::Malformed("must be true or false".to_owned()))
    }
    fn from_flag(flag: bool) -> Result<Self, Wrong> {
        Ok(Self(flag))
    }
}

/// Text without control characters: PostgreSQL refuses NUL, and the rest only ever hides something.
fn text(text: &str, max: usize, allowed: &[char]) -> Result<String, Wrong> {
    let length = text.chars().count();
    let wrong = if length == 0 {
        "must not be blank".to_owned()
    } else if length > max {
        format!("must not be longer than {max} characters")
    } else if text.chars().any(|c| c.is_control() && !allowed.contains(&c)) {
        "must not contain control characters".to_owned()
    } else {
        return Ok(text.to_owned());
    };
    Err(Wrong::Unacceptable(wrong))
}

/// One line of 1 to `MAX` characters, trimmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<const MAX: usize>(pub String);

impl<const MAX: usize> Scalar for Line<MAX> {
    fn from_text(line: &str) -> Result<Self, Wrong> {
        text(line, MAX, &[]).map(Self)
    }
}

/// Text of several lines and 1 to `MAX` characters, trimmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prose<const MAX: usize>(pub String);

impl<const MAX: usize> Scalar for Prose<MAX> {
    fn from_text(prose: &str) -> Result<Self, Wrong> {
        text(prose, MAX, &['\n', '\r', '\t']).map(Self)
    }
}

/// A person's id, 1 to 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserId(pub String);

impl Scalar for UserId {
    fn from_text(id: &str) -> Result<Self, Wrong> {
        text(id, 64, &[]).map(Self)
    }
    // Other systems number their users.
    fn from_number(number: i128) -> Result<Self, Wrong> {
        Self::from_text(&number.to_string())
    }
}

/// A date in any of the forms of [`WireDate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date(pub WireDate);

impl From<Date> for OffsetDateTime {
    fn from(date: Date) -> Self {
        date.0.into()
    }
}

impl Scalar for Date {
    fn from_text(date: &str) -> Result<Self, Wrong> {
        date.parse().map(Self).map_err(|e: shared_events::MalformedDate| Wrong::Malformed(e.to_string()))
    }
    fn from_number(number: i128) -> Result<Self, Wrong> {
        Self::from_text(&number.to_string())
    }
}

/// One word of a vocabulary, such as [`shared_events::OfferStatus`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<T>(pub T);

impl<T: FromStr<Err = String>> Deserr<Faults> for Word<T> {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, Faults> {
        match value {
            Value::String(word) => word.trim().parse().map(Self).map_err(Wrong::Malformed),
            Value::Null => Err(Wrong::Malformed("is required".to_owned())),
            _ => Err(Wrong::Malformed("must be a string".to_owned())),
        }
        .map_err(|wrong| Faults::one(name(location), wrong))
    }
}

#[cfg(test)]
mod tests;
