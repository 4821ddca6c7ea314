-- A hold runs out too, unless its offer is heard of.
update payment set expires_dt = now() + interval '24 hours'
    where pay_method = 'wallet' and state = 'held' and deal_id is null
      and not exists (select from offer_copy
                      where offer_copy.offer_id = payment.offer_id and offer_copy.user_id = payment.user_id);
create index payment_unclaimed on payment (expires_dt) where pay_method = 'wallet' and state = 'held';
