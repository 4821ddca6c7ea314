-- Where they meet, and where a parcel goes. Orders from before get what the history knows of it by a rebuild.
alter table deal_view
    add column meet_place text,
    add column address    text;

-- The same as in 0001, and the two at its end.
create or replace view purchase as
select o.offer_id,
       o.post_id,
       p.goods,
       o.user_id,
       o.seller_id,
       o.offer_type,
       o.price,
       o.offered_price,
       o.agreed_price,
       o.qty,
       o.pay_method,
       -- The offer service tells nobody that an offer won; the deal service does.
       case when d.status = 'dealEnded' then d.status else o.status end as offer_status,
       d.deal_id,
       d.status as deal_status,
       d.fulfilment,
       d.reserve_dt,
       y.state as payment_state,
       (select coalesce(jsonb_agg(jsonb_build_object('status', s.step, 'at', s.at)), '[]')
        from order_step s where s.offer_id = o.offer_id
       ) as steps,
       o.create_dt,
       greatest(o.update_dt, d.update_dt, y.update_dt) as update_dt,
       d.meet_place,
       d.address
from offer_view o
left join post_view p on p.post_id = o.post_id
left join deal_view d on d.deal_id = (select max(s.deal_id) from deal_view s where s.offer_id = o.offer_id)
left join payment_view y on y.payment_id = (
    select max(s.payment_id) from payment_view s where s.offer_id = o.offer_id and s.user_id = o.user_id
)
where o.create_dt is not null;
