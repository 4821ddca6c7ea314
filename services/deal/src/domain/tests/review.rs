//! Who reviews whom, and when.

use super::{
    super::review::{Refusal, Review},
    *,
};

#[test]
fn every_deal_reviewed_by_everyone() {
    for &status in DealStatus::ALL {
        for (author, target) in [("buyer", Some("seller")), ("seller", Some("buyer")), ("stranger", None)] {
            let review = Review::of(&deal(status), author.to_owned(), 4, Some("친절해요".into()), LATER);
            let expected = match target {
                None => Err(Refusal::NotAParty),
                Some(_) if status != DealStatus::DealEnded => Err(Refusal::DealNotEnded(status)),
                Some(target) => Ok(Review {
                    review_id: 0,
                    deal_id: 9,
                    post_id: 1,
                    user_id: author.to_owned(),
                    target_id: target.to_owned(),
                    rating: 4,
                    comment: Some("친절해요".into()),
                    create_dt: LATER,
                }),
            };
            assert_eq!(review, expected, "{status} by {author}");
        }
    }
}

#[test]
fn every_refusal_has_its_status_and_code() {
    use Refusal::*;
    let table = [
        (UnknownDeal, 404, "deal-not-found"),
        (NotAParty, 403, "not-a-party"),
        (DealNotEnded(DealStatus::DealReserved), 409, "deal-not-ended"),
        (AlreadyReviewed, 409, "already-reviewed"),
    ];
    for (refusal, status, code) in table {
        let problem = Problem::from(refusal.clone());
        assert_eq!((problem.status().as_u16(), problem.code()), (status, code), "{refusal:?}");
    }
}
