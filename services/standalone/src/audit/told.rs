//! Events: what was done was told, once, in order, and heard by all whom it concerns. mypage's history is what was
//! heard, of whichever bus.

use super::{Check, Promise};
use crate::SERVICES;
use std::borrow::Cow;

/// Of what an event of a publisher is: its aggregate, whose events have an order.
macro_rules! aggregate {
    () => {
        "case source
             when 'post' then 'post ' || post_id
             when 'offer' then 'offer ' || (value::jsonb ->> 'offerId')
             else coalesce('payment ' || (value::jsonb ->> 'paymentId'), 'review ' || (value::jsonb ->> 'reviewId'),
                           'deal ' || (value::jsonb ->> 'dealId'))
         end"
    };
}

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "posts-were-told",
        "Each post was told once, and each deleted one's end.",
        true,
        "post.post",
        "select format('post %s: PostWrote %s times, PostDeleted %s times (it is %s)', post_id, wrote, gone,
                       case when deleted then 'deleted' else 'there' end)
         from (select post_id, deleted from post.post) as post
         full join (select post_id, count(*) filter (where event_type = 'PostWrote') as wrote,
                           count(*) filter (where event_type = 'PostDeleted') as gone
                    from mypage.history where source = 'post' group by post_id) as told using (post_id)
         where wrote is distinct from 1 or deleted is null or gone <> deleted::int",
    ),
    Check::new(
        "offers-were-told",
        "Each step of an offer was told once; one that was never placed was not told as placed.",
        true,
        "offer.offer",
        // Each told step is a version; to begin with a payment and to win are versions that the deal service tells of.
        "select format('offer %s is %s at version %s: placed told %s times, %s events in all', offer_id, offer_status,
                       version, coalesce(placed, 0), coalesce(told, 0))
         from (select offer_id, offer_status, pending, version,
                      version - (pay_method = 'wallet')::int - (offer_status = 'dealEnded')::int as due
               from offer.offer) as offer
         full join (select (value::jsonb ->> 'offerId')::bigint as offer_id, count(*) as told,
                           count(*) filter (where event_type = 'OfferPlaced') as placed,
                           array_agg(lower(event_type)) as types
                    from mypage.history where source = 'offer' group by 1) as events using (offer_id)
         where offer_status is null or coalesce(told, 0) <> due or coalesce(placed, 0) <> (not pending)::int
            or offer_status in ('offerAccepted', 'offerRefused', 'offerCanceled') and not lower(offer_status) = any (types)",
    ),
    Check::new(
        "deals-were-told",
        "Each step of a deal was told once.",
        true,
        "deal.deal, jsonb_array_elements(history) as step",
        "select format('deal %s, %s: in the deal %s times, told %s times', deal_id, status, coalesce(done, 0),
                       coalesce(told, 0))
         from (select deal_id, step ->> 'status' as status, count(*) as done
               from deal.deal, jsonb_array_elements(history) as step group by 1, 2) as steps
         full join (select (value::jsonb ->> 'dealId')::bigint as deal_id, value::jsonb ->> 'status' as status,
                           count(*) as told
                    from mypage.history
                    where event_type in ('DealReserved', 'DeliveryStarted', 'CancelRequested', 'CancelDeclined',
                                         'DealCanceled', 'DealEnded')
                    group by 1, 2) as events using (deal_id, status)
         where done is distinct from told",
    ),
    Check::new(
        "payments-were-told",
        "Each step of a payment was told once.",
        true,
        "deal.payment, jsonb_array_elements(pay_log) as step",
        "select format('payment %s, %s: in its log %s times, told %s times', payment_id, state, coalesce(done, 0),
                       coalesce(told, 0))
         from (select payment_id, step ->> 'state' as state, count(*) as done
               from deal.payment, jsonb_array_elements(pay_log) as step group by 1, 2) as steps
         full join (select (value::jsonb ->> 'paymentId')::bigint as payment_id, value::jsonb ->> 'state' as state,
                           count(*) as told
                    from mypage.history where event_type like 'Payment%' group by 1, 2) as events
             using (payment_id, state)
         where done is distinct from told",
    ),
    Check::new(
        "reviews-were-told",
        "Each review was told once.",
        true,
        "deal.review",
        "select format('review %s was told %s times', review_id, coalesce(told, 0))
         from deal.review
         full join (select (value::jsonb ->> 'reviewId')::bigint as review_id, count(*) as told
                    from mypage.history where event_type = 'DealReviewed' group by 1) as events using (review_id)
         where told is distinct from 1 or deal_id is null",
    ),
    Check::new(
        "messages-were-told",
        "Whoever was written to was notified, once a message.",
        true,
        "offer.message",
        "select format('%s on post %s: %s messages, %s notifications', user_id, post_id, coalesce(written, 0),
                       coalesce(told, 0))
         from (select to_user_id as user_id, post_id, coalesce(offer_id, 0) as offer_id, count(*) as written
               from offer.message group by 1, 2, 3) as messages
         full join (select user_id, post_id, coalesce(offer_id, 0) as offer_id, count(*) as told
                    from notification.notification where kind = 'messageSent' group by 1, 2, 3) as notices
             using (user_id, post_id, offer_id)
         where written is distinct from told",
    ),
    Check::new(
        "heard-once",
        "No event had its effect twice, and each whose effect is there is in the inbox.",
        false,
        "mypage.history",
        "select format('event %s: %s times in the history, %s in the inbox', event_id, coalesce(effects, 0),
                       received_at is not null)
         from (select event_id, count(*) as effects from mypage.history group by event_id) as history
         full join mypage.inbox using (event_id)
         where (effects is distinct from 1 or received_at is null)
           and not exists (select from mypage.dead_letter as dead where dead.event_id = inbox.event_id)",
    ),
    Check::new(
        "order-was-kept",
        "What a publisher told of one thing (a post, an offer, a deal, a payment) was heard in that order.",
        false,
        "mypage.history",
        concat!(
            "select format('%s: %s of %s was heard after one of %s', aggregate, event_type, happened_at, before)
             from (select event_type, aggregate, happened_at,
                          lag(happened_at) over (partition by source, aggregate order by id) as before
                   from (select id, event_type, source, happened_at, ",
            aggregate!(),
            " as aggregate from mypage.history) as events) as pairs
             where happened_at < before"
        ),
    ),
];

/// For each service: what mypage has heard, it has heard too, if it concerns it; and it has no dead letters.
pub(super) fn inboxes() -> Vec<Check> {
    let heard = SERVICES.map(|service| {
        let (name, types) = (service().name, service().reactions.types());
        let types = types.iter().map(|kind| format!("'{kind}'")).collect::<Vec<_>>().join(", ");
        format!(
            "select format('%s has not heard %s %s', '{name}', event_type, event_id) from mypage.history
             where event_type in ({types})
               and not exists (select from {name}.inbox where inbox.event_id = history.event_id)"
        )
    });
    let dead = SERVICES.map(|service| {
        let name = service().name;
        format!("select '{name}' as service, event_type, event_id, error from {name}.dead_letter")
    });
    let inboxes = SERVICES.map(|service| format!("select event_id from {}.inbox", service().name));
    let of = |tables: &[String]| Cow::Owned(format!("({}) as everything", tables.join(" union all ")));
    vec![
        Check {
            promise: Promise {
                name: "heard-by-all",
                holds: "Each event was heard by every service that reacts to it.",
            },
            at_rest: true,
            of: of(&inboxes),
            finds: Cow::Owned(heard.join(" union all ")),
        },
        Check {
            promise: Promise { name: "no-dead-letters", holds: "No event was given up." },
            at_rest: false,
            of: of(&dead),
            finds: Cow::Owned(format!(
                "select format('%s: %s %s: %s', service, event_type, event_id, error) from ({}) as dead",
                dead.join(" union all ")
            )),
        },
    ]
}
