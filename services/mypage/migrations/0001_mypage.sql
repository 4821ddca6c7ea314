-- Each table is written from the events of one publisher. Those keep their order for a post, so that what a
-- table ends with does not depend on how the publishers' events mix. The tables meet only when they are read.

create table post_view (
    post_id   bigint  primary key,
    user_id   text,
    goods     text,
    price     bigint,
    status    text    check (status in ('created', 'dealReserved', 'dealEnded')),
    like_cnt  integer not null default 0,
    hidden    boolean not null default false,
    -- A deleted post stays: its buyers still see what it was.
    deleted   boolean not null default false,
    -- Null until its PostWrote is here; nothing is shown before.
    create_dt timestamptz,
    update_dt timestamptz
);
create index post_newest on post_view (create_dt desc, post_id desc);
create index post_of_user on post_view (user_id);

create table offer_view (
    offer_id      bigint      primary key,
    post_id       bigint      not null,
    user_id       text        not null,
    seller_id     text        not null,
    offered_price bigint,
    agreed_price  bigint      not null,
    qty           integer     not null,
    pay_method    text        not null check (pay_method in ('none', 'wallet', 'bankTransfer')),
    status        text        not null
        check (status in ('offerPlaced', 'offerAccepted', 'offerRefused', 'offerCanceled')),
    update_dt     timestamptz not null,
    -- Null until its OfferPlaced is here; nothing is shown before.
    offer_type    text        check (offer_type in ('dealOffered', 'priceNegotiated')),
    price         bigint,
    create_dt     timestamptz
);
create index offer_newest on offer_view (create_dt desc, offer_id desc);
create index offer_of_post on offer_view (post_id);
create index offer_of_user on offer_view (user_id);

create table deal_view (
    deal_id    bigint      primary key,
    post_id    bigint      not null,
    offer_id   bigint      not null,
    user_id    text        not null,
    seller_id  text        not null,
    status     text        not null check (status in
        ('dealReserved', 'deliveryStarted', 'cancelRequested', 'dealCanceled', 'dealEnded')),
    reserve_dt timestamptz,
    update_dt  timestamptz not null,
    -- Not every event of a deal carries these; its DealReserved does.
    price      bigint,
    fulfilment text        check (fulfilment in ('meetup', 'delivery'))
);
create index deal_of_post on deal_view (post_id, deal_id);
create index deal_of_offer on deal_view (offer_id, deal_id);
create index deal_of_user on deal_view (user_id);
create index deal_of_seller on deal_view (seller_id);

create table payment_view (
    payment_id bigint      primary key,
    offer_id   bigint      not null,
    user_id    text        not null,
    amount     bigint      not null,
    state      text        not null check (state in
        ('awaitingDeposit', 'held', 'released', 'refunded', 'canceled', 'failed')),
    update_dt  timestamptz not null
);
create index payment_of_offer on payment_view (offer_id, payment_id);

create table review_view (
    review_id bigint      primary key,
    deal_id   bigint      not null,
    post_id   bigint      not null,
    user_id   text        not null,
    target_id text        not null,
    rating    integer     not null check (rating between 1 and 5),
    create_dt timestamptz not null
);
create index review_of_target on review_view (target_id, rating);

-- What happened to an order and when: one row for each event that its buyer wants to see. The key is the event
-- itself, so that one delivered twice is one step, whatever the inbox remembers.
create table order_step (
    offer_id bigint      not null,
    step     text        not null,
    at       timestamptz not null,
    primary key (offer_id, step, at)
);

-- What a seller sees. While the post's own status says that it is reserved or ended, price and date are those of
-- the latest deal that still stands; the status alone decides, so that a row never mixes the two.
create view my_page as
select p.post_id,
       p.user_id,
       p.status,
       p.create_dt,
       case when p.status = 'created' then p.update_dt else coalesce(d.update_dt, p.update_dt) end as update_dt,
       case when p.status = 'created' then p.price else coalesce(d.price, p.price) end as price,
       p.goods,
       -- Every offer that was ever placed.
       (select count(*) from offer_view o where o.post_id = p.post_id and o.create_dt is not null) as offer_cnt,
       -- The highest of those that are open or won.
       (select max(o.agreed_price)
        from offer_view o
        where o.post_id = p.post_id
          and o.create_dt is not null
          and (o.status in ('offerPlaced', 'offerAccepted')
               or exists (select from deal_view w where w.offer_id = o.offer_id and w.status = 'dealEnded'))
       ) as best_offer,
       p.like_cnt,
       p.hidden
from post_view p
left join deal_view d on d.deal_id = (
    select max(s.deal_id) from deal_view s where s.post_id = p.post_id and s.status <> 'dealCanceled'
)
where p.create_dt is not null and not p.deleted;

-- What a buyer sees: one row for each offer, with its latest deal, its payment and its steps.
create view purchase as
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
       greatest(o.update_dt, d.update_dt, y.update_dt) as update_dt
from offer_view o
left join post_view p on p.post_id = o.post_id
left join deal_view d on d.deal_id = (select max(s.deal_id) from deal_view s where s.offer_id = o.offer_id)
left join payment_view y on y.payment_id = (
    select max(s.payment_id) from payment_view s where s.offer_id = o.offer_id and s.user_id = o.user_id
)
where o.create_dt is not null;
