-- Each table is written from the events of one publisher. Those keep their order for a post, so that what a
-- table ends with does not depend on how the publishers' events mix. The tables meet only when they are read.

create table post_view (
    post_id   bigint  primary key,
    user_id   text    not null,
    goods     text,
    price     bigint,
    status    text    check (status in ('created', 'dealReserved', 'dealEnded')),
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
    price      bigint      not null,
    status     text        not null check (status in ('dealReserved', 'dealEnded', 'dealCanceled')),
    reserve_dt timestamptz,
    update_dt  timestamptz not null
);
create index deal_of_post on deal_view (post_id, deal_id);
create index deal_of_offer on deal_view (offer_id, deal_id);

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
       -- Wishlists will make this a column of post_view.
       0 as like_cnt,
       p.hidden
from post_view p
left join deal_view d on d.deal_id = (
    select max(s.deal_id) from deal_view s where s.post_id = p.post_id and s.status <> 'dealCanceled'
)
where p.create_dt is not null and not p.deleted;

-- What a buyer sees: one row for each offer, with its latest deal.
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
       d.reserve_dt,
       o.create_dt,
       greatest(o.update_dt, d.update_dt) as update_dt
from offer_view o
left join post_view p on p.post_id = o.post_id
left join deal_view d on d.deal_id = (select max(s.deal_id) from deal_view s where s.offer_id = o.offer_id)
where o.create_dt is not null;
