//! The date as it stands in every answer and event: `2024-09-24T00:00:00.000+00:00`.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};
use time::{
    Date, OffsetDateTime, UtcOffset,
    format_description::{BorrowedFormatItem, well_known::Rfc3339},
    macros::format_description,
};

/// Never `Z`: the seeds' clients compare these strings.
const WIRE: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]+00:00");
const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");

/// An instant in UTC, to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WireDate(OffsetDateTime);

/// The text is none of the forms that [`WireDate::from_str`] reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MalformedDate;

impl fmt::Display for MalformedDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "must be a date such as 2024-09-24, 2024-09-24T10:00:00+09:00 or 1727139799825 (epoch milliseconds)",
        )
    }
}

impl std::error::Error for MalformedDate {}

impl WireDate {
    /// Now.
    pub fn now() -> Self {
        OffsetDateTime::now_utc().into()
    }

    /// From milliseconds since 1970.
    ///
    /// # Errors
    /// Outside the years 0 to 9999, which is what the wire form can hold.
    pub fn from_epoch_millis(millis: i64) -> Result<Self, MalformedDate> {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
            .ok()
            .and_then(Self::in_range)
            .ok_or(MalformedDate)
    }

    /// Milliseconds since 1970.
    pub fn epoch_millis(self) -> i64 {
        self.0.unix_timestamp() * 1000 + i64::from(self.0.millisecond())
    }

    fn in_range(at: OffsetDateTime) -> Option<Self> {
        let utc = at.checked_to_offset(UtcOffset::UTC)?;
        (0..=9999).contains(&utc.year()).then(|| utc.into())
    }
}

/// Digits below the millisecond are dropped, so that what is stored is what is shown.
impl From<OffsetDateTime> for WireDate {
    fn from(at: OffsetDateTime) -> Self {
        let utc = at.to_offset(UtcOffset::UTC);
        Self(utc.replace_millisecond(utc.millisecond()).expect("its own millisecond is in range"))
    }
}

impl From<WireDate> for OffsetDateTime {
    fn from(date: WireDate) -> Self {
        date.0
    }
}

impl fmt::Display for WireDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.format(WIRE).map_err(|_| fmt::Error)?)
    }
}

/// Reads a day (midnight UTC), RFC 3339 with any offset, or epoch milliseconds.
impl FromStr for WireDate {
    type Err = MalformedDate;

    fn from_str(text: &str) -> Result<Self, MalformedDate> {
        if let Ok(millis) = text.parse() {
            return Self::from_epoch_millis(millis);
        }
        if let Ok(day) = Date::parse(text, DAY) {
            return Self::in_range(day.midnight().assume_utc()).ok_or(MalformedDate);
        }
        OffsetDateTime::parse(text, &Rfc3339).ok().and_then(Self::in_range).ok_or(MalformedDate)
    }
}

impl Serialize for WireDate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WireDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Millis(i64),
            Text(String),
        }
        match Form::deserialize(deserializer)? {
            Form::Millis(millis) => Self::from_epoch_millis(millis),
            Form::Text(text) => text.parse(),
        }
        .map_err(de::Error::custom)
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for WireDate {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .pattern(Some(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$"))
            .description(Some("An instant in UTC, to the millisecond; never written with `Z`."))
            .examples(["2024-09-24T00:00:00.000+00:00"])
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for WireDate {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_that_clients_send_becomes_the_wire_form() {
        for (sent, answered) in [
            ("2024-09-24", "2024-09-24T00:00:00.000+00:00"),
            ("2024-09-24T00:00:00.000+00:00", "2024-09-24T00:00:00.000+00:00"),
            ("2024-09-24T09:30:00+09:00", "2024-09-24T00:30:00.000+00:00"),
            ("2024-09-24T00:00:00.123456Z", "2024-09-24T00:00:00.123+00:00"),
            ("1727139799825", "2024-09-24T01:03:19.825+00:00"),
            ("-1", "1969-12-31T23:59:59.999+00:00"),
        ] {
            assert_eq!(sent.parse::<WireDate>().unwrap().to_string(), answered, "{sent}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for sent in
            ["2024-13-01", "2024-02-30", "yesterday", "", "2024-09-24T10:00:00", "9223372036854775807"]
        {
            assert_eq!(sent.parse::<WireDate>(), Err(MalformedDate), "{sent}");
        }
    }

    proptest! {
        #[test]
        fn the_wire_form_reads_back_as_the_same_instant(millis in -62_167_219_200_000i64..253_402_300_799_999) {
            let date = WireDate::from_epoch_millis(millis).unwrap();
            prop_assert_eq!(date.epoch_millis(), millis);
            prop_assert_eq!(date.to_string().parse::<WireDate>().unwrap(), date);
        }

        #[test]
        fn what_is_read_of_any_text_reads_back_as_the_same(
            text in prop_oneof![
                ".*",
                "-?[0-9]{1,20}",
                "[0-9]{4}-(0[1-9]|1[0-2])-[0-3][0-9]",
                "[0-9]{4}-(0[1-9]|1[0-2])-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,12})?([Zz]|[+-][0-2][0-9]:[0-6][0-9])",
            ],
        ) {
            if let Ok(date) = text.parse::<WireDate>() {
                prop_assert_eq!(date.to_string().len(), "2024-09-24T00:00:00.000+00:00".len());
                prop_assert_eq!(date.to_string().parse(), Ok(date));
                prop_assert_eq!(WireDate::from_epoch_millis(date.epoch_millis()), Ok(date));
            }
        }
    }
}
