//! Read models and copies: what a service knows of another's data is what the owner says.

use super::Check;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "post-views",
        "mypage shows each post as the post service has it.",
        true,
        "mypage.post_view",
        "select format('post %s: %s, shown as %s', post_id, owner, shown)
         from (select post_id, (user_id, goods, price, status, like_cnt, hidden, deleted)::text as owner
               from post.post) as post
         full join (select post_id, (user_id, goods, price, status, like_cnt, hidden, deleted)::text as shown
                    from mypage.post_view) as view using (post_id)
         where owner is distinct from shown",
    ),
    Check::new(
        "offer-views",
        "mypage shows each offer as the offer service has it.",
        true,
        "mypage.offer_view",
        // That an offer won is the deal service's to tell.
        "select format('offer %s: %s %s, shown as %s %s', offer_id, owner, offer_status, shown, status)
         from (select offer_id, offer_status, pending,
                      (post_id, user_id, seller_id, offered_price, agreed_price, qty, pay_method, not pending,
                       case when pending then null else offer_type end)::text as owner
               from offer.offer) as offer
         full join (select offer_id, status,
                           (post_id, user_id, seller_id, offered_price, agreed_price, qty, pay_method,
                            create_dt is not null, offer_type)::text as shown
                    from mypage.offer_view) as view using (offer_id)
         where owner is distinct from shown or offer_status <> 'dealEnded' and offer_status <> status",
    ),
    Check::new(
        "deal-views",
        "mypage shows each deal as the deal service has it.",
        true,
        "mypage.deal_view",
        "select format('deal %s: %s, shown as %s', deal_id, owner, shown)
         from (select deal_id, (post_id, offer_id, user_id, seller_id, status, reserve_dt,
                                date_trunc('milliseconds', update_dt), price, fulfilment)::text as owner
               from deal.deal) as deal
         full join (select deal_id, (post_id, offer_id, user_id, seller_id, status, reserve_dt, update_dt, price,
                                     fulfilment)::text as shown
                    from mypage.deal_view) as view using (deal_id)
         where owner is distinct from shown",
    ),
    Check::new(
        "payment-views",
        "mypage shows each payment as the deal service has it.",
        true,
        "mypage.payment_view",
        "select format('payment %s: %s, shown as %s', payment_id, owner, shown)
         from (select payment_id, (offer_id, user_id, amount, state)::text as owner from deal.payment) as payment
         full join (select payment_id, (offer_id, user_id, amount, state)::text as shown
                    from mypage.payment_view) as view using (payment_id)
         where owner is distinct from shown",
    ),
    Check::new(
        "review-views",
        "mypage counts each review as the deal service has it.",
        true,
        "mypage.review_view",
        "select format('review %s: %s, counted as %s', review_id, owner, shown)
         from (select review_id, (deal_id, post_id, user_id, target_id, rating)::text as owner
               from deal.review) as review
         full join (select review_id, (deal_id, post_id, user_id, target_id, rating)::text as shown
                    from mypage.review_view) as view using (review_id)
         where owner is distinct from shown",
    ),
    Check::new(
        "offer-knows-posts",
        "The offer service's copies of posts are what the posts are.",
        true,
        "offer.post_copy",
        // Of a deleted one it is enough to know that: a deal on it may still have sold its units.
        "select format('post %s: %s, copied as %s', post_id, owner, copy)
         from (select post_id, deleted, (user_id, price, qty, qty - reserved - sold, status, hidden, deleted)::text as owner
               from post.post) as post
         full join (select post_id, deleted as gone,
                           (seller_id, price, qty, available_qty, status, hidden, deleted)::text as copy
                    from offer.post_copy) as copies using (post_id)
         where owner is distinct from copy and (deleted and gone) is not true",
    ),
    Check::new(
        "deal-knows-offers",
        "The deal service's copies of offers are what the offers are.",
        true,
        "deal.offer_copy",
        // Nobody tells deal which offers won, as it tells that itself; or of those that were never placed.
        "select format('offer %s: %s %s, copied as %s %s', offer_id, owner, o.offer_status, copy, c.offer_status)
         from (select offer_id, offer_status,
                      (post_id, user_id, seller_id, offer_type, agreed_price, qty, pay_method)::text as owner
               from offer.offer where not pending) as o
         full join (select offer_id, offer_status,
                           (post_id, user_id, seller_id, offer_type, agreed_price, qty, pay_method)::text as copy
                    from deal.offer_copy) as c using (offer_id)
         where owner is distinct from copy
            or o.offer_status <> 'dealEnded' and o.offer_status <> c.offer_status",
    ),
    Check::new(
        "wishes-are-known",
        "post and notification know the wishes there are, and posts are liked by as many.",
        true,
        "offer.wishlist",
        "select format('wish %s for post %s: offer %s, post %s, notification %s', wishlist_id,
                       coalesce(w.post_id, p.post_id, n.post_id), w.post_id is not null, p.post_id is not null,
                       n.post_id is not null)
         from offer.wishlist as w
         full join (select wishlist_id, post_id from post.wish where not gone) as p using (wishlist_id)
         full join (select wishlist_id, post_id from notification.wish
                    where added_at is not null and deleted_at is null) as n using (wishlist_id)
         where w.post_id is distinct from p.post_id or w.post_id is distinct from n.post_id
         union all
         select format('post %s is liked by %s, wished for by %s', post_id, like_cnt, wishes)
         from post.post,
         lateral (select count(*) as wishes from offer.wishlist as w where w.post_id = post.post_id) as counted
         where like_cnt <> wishes",
    ),
    Check::new(
        "wishers-were-told",
        "Who wished for a post at the time of its news was told of them, and nobody else.",
        true,
        "notification.notification where kind in ('priceFell', 'statusUpdated')",
        "select format('%s, event %s: due %s, told %s', user_id, event_id, due is not null, told is not null)
         from (select distinct event_id, user_id, true as due from notification.wisher_told) as dues
         full join (select event_id, user_id, true as told from notification.notification
                    where kind in ('priceFell', 'statusUpdated')) as notices using (event_id, user_id)
         where due is distinct from told",
    ),
    Check::new(
        "meetings-are-known",
        "notification knows on which day the two of each reserved deal meet.",
        true,
        "deal.deal where status = 'dealReserved'",
        "select format('deal %s, %s on %s: kept as %s on %s', deal_id, status, d.reserve_dt,
                       case when live then 'live' else 'over' end, m.reserve_dt)
         from deal.deal as d full join notification.meeting as m using (deal_id)
         where (status = 'dealReserved') is distinct from live or live and d.reserve_dt is distinct from m.reserve_dt",
    ),
];
