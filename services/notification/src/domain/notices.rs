//! Which event tells whom what: a file for each publisher, and the words they share.

mod deals;
mod offers;
mod payments;
mod posts;

use shared_events::{WireDate, Won};
use time::{OffsetDateTime, UtcOffset, macros::offset};

/// Where the people are: a day is their day.
const KOREA: UtcOffset = offset!(+9);

/// `510,000원`, and how many where it is more than one.
fn priced(each: Won, qty: i32) -> String {
    if qty == 1 { won(each) } else { format!("{}({qty}개)", won(each)) }
}

/// `510,000원`.
pub(super) fn won(amount: Won) -> String {
    let digits = amount.to_string();
    let mut price = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            price.push(',');
        }
        price.push(digit);
    }
    price + "원"
}

/// ` (판매 완료)`; a word that has no translation yet stands for itself.
fn because(reason: Option<&str>) -> String {
    aside(reason.map(|word| match word {
        "post-ended" => "판매 완료",
        "post-deleted" => "판매글 삭제",
        "post-hidden" => "판매글 숨김",
        "not-enough-stock" => "수량 부족",
        "price-changed" => "가격 변경",
        "offer-canceled" => "제안 취소",
        "offer-refused" => "제안 거절",
        "payment-over" => "결제 취소",
        "expired" => "기간 만료",
        other => other,
    }))
}

/// ` (판매 완료)`, ` (9월 26일, 방배역)`: what else is to be said, as far as it is known.
fn aside<'a>(known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<_> = known.into_iter().collect();
    if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) }
}

/// `9월 26일`, and the time of day where one was given: a date without a time is midnight UTC.
fn moment(date: WireDate) -> String {
    let utc = OffsetDateTime::from(date);
    let there = utc.to_offset(KOREA);
    let day = format!("{}월 {}일", u8::from(there.month()), there.day());
    if utc.time() == time::Time::MIDNIGHT {
        return day;
    }
    format!("{day} {:02}:{:02}", there.hour(), there.minute())
}

/// `9월 26일, 방배역`: when and where they meet, as far as it is known.
pub(super) fn appointment(reserve_dt: Option<WireDate>, meet_place: Option<&str>) -> String {
    let parts = [reserve_dt.map(moment), meet_place.map(str::to_owned)];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "미정".to_owned() } else { parts.join(", ") }
}

/// One line of at most so many characters.
fn shortened(text: &str, max: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(max) {
        None => line,
        Some((end, _)) => format!("{}…", &line[..end]),
    }
}

#[cfg(test)]
mod tests;
