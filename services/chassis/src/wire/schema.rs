//! The fields in `/openapi.json`: every form in which they are read.

use super::{Date, Flag, Id, Line, MAX_WON, Natural, Prose, Qty, UserId, Won};
use std::borrow::Cow;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat,
        schema::{AnyOfBuilder, SchemaType, Type},
    },
};

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::new(Type::String))
}

fn digits() -> ObjectBuilder {
    text().pattern(Some(r"^[0-9]+$"))
}

fn either(description: &str, forms: impl IntoIterator<Item = ObjectBuilder>) -> RefOr<Schema> {
    let either = AnyOfBuilder::new().description(Some(description));
    RefOr::T(forms.into_iter().fold(either, AnyOfBuilder::item).into())
}

fn whole(min: i64, max: Option<i64>) -> RefOr<Schema> {
    let number = ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::Integer))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(min as isize))
        .maximum(max.map(|max| max as isize));
    either("A whole number, or the same as a string.", [number, digits()])
}

fn line(max: usize) -> RefOr<Schema> {
    // Something must be left when it is trimmed.
    let text = text().min_length(Some(1)).max_length(Some(max)).pattern(Some(r"^[^\x00-\x1f\x7f-\x9f]*$"));
    RefOr::T(text.description(Some("One line; it is trimmed.")).into())
}

fn prose(max: usize) -> RefOr<Schema> {
    let text = text()
        .min_length(Some(1))
        .max_length(Some(max))
        .pattern(Some(r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"));
    RefOr::T(text.description(Some("Text of one or more lines; it is trimmed.")).into())
}

fn user_id() -> RefOr<Schema> {
    let line = text().min_length(Some(1)).max_length(Some(64)).pattern(Some(r"^[^\x00-\x1f\x7f-\x9f]*$"));
    let number = ObjectBuilder::new().schema_type(SchemaType::new(Type::Integer));
    either("A person's id. A number is taken as its digits.", [line, number])
}

fn date() -> RefOr<Schema> {
    let format = |format| Some(SchemaFormat::KnownFormat(format));
    let milliseconds = ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::Integer))
        .format(format(KnownFormat::Int64))
        .description(Some("Milliseconds since 1970."));
    either(
        "An instant. A day is its midnight in UTC; milliseconds may be a string, too.",
        [
            text().format(format(KnownFormat::DateTime)),
            text().format(format(KnownFormat::Date)),
            digits(),
            milliseconds,
        ],
    )
}

fn flag() -> RefOr<Schema> {
    let words = text().enum_values(Some(["true", "false"]));
    either(
        "True or false, or the same as a string.",
        [ObjectBuilder::new().schema_type(Type::Boolean), words],
    )
}

macro_rules! schemas {
    ($($name:ident $(<$max:ident>)? = $schema:expr;)+) => {$(
        impl$(<const $max: usize>)? PartialSchema for $name$(<$max>)? {
            fn schema() -> RefOr<Schema> {
                $schema
            }
        }

        impl$(<const $max: usize>)? ToSchema for $name$(<$max>)? {
            fn name() -> Cow<'static, str> {
                #[allow(unused_mut)]
                let mut name = stringify!($name).to_owned();
                $(name += &$max.to_string();)?
                Cow::Owned(name)
            }
        }
    )+};
}

schemas! {
    Won = whole(0, Some(MAX_WON));
    Id = whole(1, None);
    Qty = whole(1, Some(1_000_000));
    Natural = whole(0, None);
    UserId = user_id();
    Date = date();
    Flag = flag();
    Line<MAX> = line(MAX);
    Prose<MAX> = prose(MAX);
}
