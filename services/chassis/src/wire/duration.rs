//! Spans of time in settings.

use std::time::Duration;

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const MAX_DAYS: u64 = 3650;

/// A span of time like `250ms`, `10s`, `5m`, `168h` or `7d`: above zero, at most ten years.
///
/// # Errors
/// It is none of these; the text says what was expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    let milliseconds = UNITS.iter().find_map(|(unit, milliseconds)| {
        // `ms` ends in `s` too: what is before the unit has to be a number, so only one of them fits.
        text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(*milliseconds)
    });
    match milliseconds {
        Some(milliseconds) if (1..=MAX_DAYS * 86_400_000).contains(&milliseconds) => {
            Ok(Duration::from_millis(milliseconds))
        }
        _ => Err("expected a time like 250ms, 10s, 5m, 168h or 7d".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_is_a_bounded_duration_or_refused(text in prop_oneof![".*", "[0-9]{1,22}(ms|s|m|h|d)", "[+-]?[0-9.]{0,4} ?[a-z]{0,3}"]) {
            if let Ok(read) = duration(&text) {
                let most = Duration::from_hours(24 * MAX_DAYS);
                prop_assert!(read > Duration::ZERO && read <= most, "{read:?}");
                prop_assert_eq!(duration(&format!("{}ms", read.as_millis())), Ok(read));
            }
        }
    }

    #[test]
    fn a_duration_has_a_unit() {
        for (text, milliseconds) in
            [("250ms", 250), ("10s", 10_000), ("5m", 300_000), ("168h", 604_800_000), ("7d", 604_800_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for bad in [
            "10",
            "0s",
            "-1s",
            "s",
            "",
            "1w",
            "1.5h",
            "3651d",
            "99999999999999999999s",
            "18446744073709551615s",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
