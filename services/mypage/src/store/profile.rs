//! What is counted of a person.

use super::Done;
use shared_events::DealReviewed;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

pub(crate) async fn add_review(tx: &mut PgConnection, review: &DealReviewed, now: OffsetDateTime) -> Done {
    sqlx::query(
        "insert into review_view (review_id, deal_id, post_id, user_id, target_id, rating, create_dt)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing",
    )
    .bind(review.review_id)
    .bind(review.deal_id)
    .bind(review.post_id)
    .bind(&review.user_id)
    .bind(&review.target_id)
    .bind(review.rating)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// What is counted.
#[derive(sqlx::FromRow)]
pub(crate) struct Counts {
    pub(crate) post_cnt: i64,
    pub(crate) sold_cnt: i64,
    pub(crate) bought_cnt: i64,
    /// Reviews about the person with a rating of 1, 2, 3, 4, 5.
    pub(crate) ratings: Vec<i64>,
}

/// Zeros where nobody has heard of the person.
pub(crate) async fn counts(db: &PgPool, user_id: &str) -> Result<Counts, sqlx::Error> {
    sqlx::query_as(
        "select (select count(*) from post_view
                 where user_id = $1 and create_dt is not null and not hidden and not deleted) as post_cnt,
                (select count(*) from deal_view where seller_id = $1 and status = 'dealEnded') as sold_cnt,
                (select count(*) from deal_view where user_id = $1 and status = 'dealEnded') as bought_cnt,
                array(select count(review_id)
                      from generate_series(1, 5) as star
                      left join review_view on rating = star and target_id = $1
                      group by star order by star) as ratings",
    )
    .bind(user_id)
    .fetch_one(db)
    .await
}
