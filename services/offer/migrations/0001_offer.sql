create table offer (
    offer_id      bigint generated always as identity primary key,
    post_id       bigint      not null,
    user_id       text        not null,
    seller_id     text        not null,
    offer_type    text        not null,
    price         bigint      not null,
    offered_price bigint,
    agreed_price  bigint      not null,
    qty           integer     not null,
    pay_method    text        not null,
    offer_status  text        not null,
    expires_dt    timestamptz,
    version       bigint      not null default 1,
    create_dt     timestamptz not null,
    update_dt     timestamptz not null
);
create unique index one_open_offer_per_buyer_and_post on offer (post_id, user_id)
    where offer_status in ('offerPlaced', 'offerAccepted');
create index offer_of_post on offer (post_id);
create index offer_of_user on offer (user_id);

-- What the events, or the post service when asked, have said of each post. A copy: it may allow, never refuse.
create table post_copy (
    post_id       bigint  primary key,
    seller_id     text    not null,
    price         bigint  not null,
    qty           integer not null,
    available_qty integer not null,
    status        text    not null,
    hidden        boolean not null,
    deleted       boolean not null,
    version       bigint  not null
);
