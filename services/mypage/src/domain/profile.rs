//! How warm a person's manners are.

/// Where everybody begins, in tenths of a degree.
const BEGINNING: i64 = 365;
/// What one review adds, by its rating from 1 to 5, in tenths of a degree. A bad one weighs more than a good one:
/// good manners are the rule.
const WEIGHTS: [i64; 5] = [-10, -5, 1, 3, 5];

/// The manner temperature of a person in °C: 36.5, and for each review −1.0, −0.5, +0.1, +0.3 or +0.5 (ratings of
/// 1 to 5); never below 0 or above 99. A sum, so that it does not matter in which order the reviews arrive.
///
/// `ratings` counts the reviews about the person by their rating.
pub fn manner_temperature(ratings: [i64; 5]) -> f64 {
    let sum = ratings
        .iter()
        .zip(WEIGHTS)
        .fold(BEGINNING, |sum, (count, weight)| sum.saturating_add(count.saturating_mul(weight)));
    tenths(sum.clamp(0, 990))
}

/// The mean rating to one decimal; 0 where there are no reviews.
pub fn average_rating(ratings: [i64; 5]) -> f64 {
    let count: i64 = ratings.iter().sum();
    let stars: i64 = ratings.iter().zip(1..).map(|(count, rating)| count * rating).sum();
    if count == 0 { 0.0 } else { tenths((stars * 20 + count) / (count * 2)) }
}

fn tenths(tenths: i64) -> f64 {
    tenths as f64 / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warmth_by_reviews() {
        let table = [
            // reviews of 1, 2, 3, 4, 5 → temperature, average
            ([0, 0, 0, 0, 0], 36.5, 0.0),
            ([1, 0, 0, 0, 0], 35.5, 1.0),
            ([0, 1, 0, 0, 0], 36.0, 2.0),
            ([0, 0, 1, 0, 0], 36.6, 3.0),
            ([0, 0, 0, 1, 0], 36.8, 4.0),
            ([0, 0, 0, 0, 1], 37.0, 5.0),
            ([1, 1, 1, 1, 1], 35.9, 3.0),
            ([0, 0, 0, 1, 2], 37.8, 4.7),
            ([0, 0, 0, 3, 1], 37.9, 4.3),
            ([0, 0, 0, 0, 125], 99.0, 5.0),
            ([0, 0, 0, 0, 9000], 99.0, 5.0),
            ([37, 0, 0, 0, 0], 0.0, 1.0),
            ([9000, 0, 0, 0, 1], 0.0, 1.0),
        ];
        for (ratings, temperature, average) in table {
            let found = (manner_temperature(ratings), average_rating(ratings));
            assert_eq!(found, (temperature, average), "{ratings:?}");
        }
    }
}
