//! Units and sagas: nothing is sold twice, and the services agree on where a trade stands.

use super::Check;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "no-unit-promised-twice",
        "No more units of a post are promised to deals than it has.",
        false,
        "deal.stock",
        "select format('post %s: %s of %s units are promised', post_id, promised, qty)
         from deal.stock where promised > qty",
    ),
    Check::new(
        "promised-is-live-deals",
        "The units promised are those of the deals that are not canceled.",
        false,
        "deal.stock",
        "select format('post %s: %s units promised, %s in deals', post_id, coalesce(promised, 0), coalesce(live, 0))
         from deal.stock
         full join (select post_id, sum(qty) as live from deal.deal
                    where status <> 'dealCanceled' group by post_id) as deals using (post_id)
         where coalesce(promised, 0) <> coalesce(live, 0)",
    ),
    Check::new(
        "units-are-counted",
        "A post's reserved and sold units are those its deals took, and no more than it has.",
        false,
        "post.post",
        "select format('post %s of %s units: reserved %s (%s by deals), sold %s (%s by deals)', post.post_id, post.qty,
                       reserved, taken, sold, gone)
         from post.post,
         lateral (select coalesce(sum(qty) filter (where state = 'reserved'), 0) as taken,
                         coalesce(sum(qty) filter (where state = 'sold'), 0) as gone
                  from post.unit where unit.post_id = post.post_id) as units
         where reserved <> taken or sold <> gone or reserved + sold > post.qty",
    ),
    Check::new(
        "posts-follow-deals",
        "The post has taken, sold or given back the units of each deal, as the deal says.",
        true,
        "deal.deal",
        // What was refused to a deal that had gone further by then stays refused: it happened out in the world.
        "select format('deal %s on post %s is %s, its units are %s', deal_id, d.post_id, status, coalesce(state, 'unheard of'))
         from deal.deal as d full join post.unit as u using (deal_id)
         where not coalesce((d.post_id, d.qty) = (u.post_id, u.qty) and case status
             when 'dealReserved' then state = 'reserved'
             when 'dealCanceled' then state in ('restored', 'refused')
             when 'dealEnded' then state in ('sold', 'refused')
             else state in ('reserved', 'refused') end, false)",
    ),
    Check::new(
        "offers-follow-deals",
        "An offer won when its deal ended, and is over when its deal was canceled; no offer won without a deal.",
        true,
        "deal.deal",
        // An offer that was withdrawn when its deal had gone further is over, and the deal goes on.
        "select format('deal %s is %s, its offer %s is %s', d.deal_id, coalesce(status, 'unheard of'), offer_id,
                       coalesce(offer_status, 'unheard of'))
         from deal.deal as d full join offer.offer as o using (offer_id)
         where (d.deal_id is not null or offer_status = 'dealEnded') and not coalesce(case status
             when 'dealEnded' then offer_status = 'dealEnded'
             when 'dealCanceled' then offer_status in ('offerCanceled', 'offerRefused')
             when 'dealReserved' then offer_status = 'offerAccepted' and o.deal_id = d.deal_id
             else offer_status <> 'dealEnded' and o.deal_id = d.deal_id end, false)",
    ),
    Check::new(
        "losers-were-told",
        "No offer is open on a post that is sold or deleted.",
        true,
        "offer.offer where offer_status in ('offerPlaced', 'offerAccepted')",
        "select format('offer %s is %s, and post %s is %s', offer_id, offer_status, post_id,
                       case when deleted then 'deleted' else status end)
         from offer.offer join post.post using (post_id)
         where offer_status in ('offerPlaced', 'offerAccepted') and (deleted or status = 'dealEnded')",
    ),
    Check::new(
        "payments-follow-deals",
        "The seller has what an ended deal paid; whatever is over holds and awaits no money.",
        true,
        "deal.payment",
        "select format('payment %s is %s: offer %s is %s, deal %s is %s', payment_id, state, offer_id,
                       coalesce(offer_status, 'unheard of'), d.deal_id, coalesce(status, 'unheard of'))
         from deal.payment as p left join offer.offer as o using (offer_id) left join deal.deal as d using (offer_id)
         where case
             when status = 'dealEnded' and p.deal_id = d.deal_id then state <> 'released'
             when status in ('dealEnded', 'dealCanceled')
                 or status is null and offer_status not in ('offerPlaced', 'offerAccepted')
                 then state in ('held', 'awaitingDeposit', 'released')
             when p.deal_id = d.deal_id then state <> 'held'
             else state = 'released' end",
    ),
    Check::new(
        "paid-offers-are-held",
        "An open offer that is paid has its payment: held from the wallet, or a bank transfer under way.",
        true,
        "offer.offer where pay_method <> 'none' and not pending",
        "select format('offer %s (%s) is %s, its payment is %s', offer_id, o.pay_method, offer_status,
                       coalesce(state, 'unheard of'))
         from offer.offer as o left join deal.payment as p using (offer_id, user_id)
         where o.pay_method <> 'none' and not pending
           and (state is null or state is distinct from payment_state
                or amount <> agreed_price * o.qty and offer_status not in ('offerRefused', 'offerCanceled')
                or offer_status in ('offerPlaced', 'offerAccepted')
                   and state not in ('held', case when o.pay_method = 'bankTransfer' then 'awaitingDeposit' end))",
    ),
];
