//! Fields of a PATCH, and fields that only repeat what is stored.

use super::Faults;
use crate::problem::{FieldFault, Problem};
use axum::http::StatusCode;
use deserr::{Deserr, IntoValue, Value, ValuePointerRef};

/// A field of a PATCH: absent is kept, null is cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Change<T> {
    /// The field was not in the body.
    #[default]
    Keep,
    /// The field was null.
    Clear,
    /// The field has a new value.
    Set(T),
}

impl<T: Deserr<Faults>> Deserr<Faults> for Change<T> {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, Faults> {
        match value {
            Value::Null => Ok(Self::Clear),
            value => T::deserialize_from_value(value, location).map(Self::Set),
        }
    }
}

impl<T> Change<T> {
    /// What a field that may be empty becomes.
    pub fn apply<U>(self, field: &mut Option<U>, convert: impl FnOnce(T) -> U) {
        match self {
            Self::Keep => {}
            Self::Clear => *field = None,
            Self::Set(value) => *field = Some(convert(value)),
        }
    }
}

/// A field of a PATCH that can be replaced and never cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replace<T>(pub Option<T>);

impl<T> Default for Replace<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Deserr<Faults>> Deserr<Faults> for Replace<T> {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, Faults> {
        T::deserialize_from_value(value, location).map(|value| Self(Some(value)))
    }
}

/// A body may repeat what is stored, and not contradict it: 409 naming every field that does.
///
/// # Errors
/// A pair's second part is false.
pub fn agree(repeated: &[(&str, bool)]) -> Result<(), Problem> {
    let faults: Vec<_> = repeated
        .iter()
        .filter(|(_, agrees)| !agrees)
        .map(|(field, _)| FieldFault {
            field: (*field).to_owned(),
            message: "says something else than what is stored".to_owned(),
        })
        .collect();
    if faults.is_empty() {
        return Ok(());
    }
    let detail = "The request repeats fields with other values than are stored.";
    Err(Problem::new(StatusCode::CONFLICT, "fields-disagree", detail).with_faults(faults))
}

/// What is said is nothing, or what is stored.
pub fn same<T: PartialEq>(said: Option<T>, stored: &T) -> bool {
    said.is_none_or(|said| said == *stored)
}
