create table deal (
    deal_id    bigint generated always as identity primary key,
    offer_id   bigint      not null,
    post_id    bigint      not null,
    user_id    text        not null,
    seller_id  text        not null,
    price      bigint      not null,
    qty        integer     not null,
    status     text        not null,
    reserve_dt timestamptz,
    meet_place text,
    fulfilment text        not null,
    address    text,
    history    jsonb       not null,
    version    bigint      not null default 1,
    create_dt  timestamptz not null,
    update_dt  timestamptz not null
);
-- For good: an offer whose deal was canceled is doomed, and its cancellation would cancel a second deal too.
create unique index one_deal_per_offer on deal (offer_id);
create index deal_of_post on deal (post_id);
create index deal_of_user on deal (user_id);

-- The last word on how many units can be had: locked by every reservation and cancellation.
create table stock (
    post_id  bigint  primary key,
    qty      integer not null,
    version  bigint  not null,
    promised integer not null default 0 check (promised >= 0),
    constraint promised_units_exist check (promised <= qty)
);

-- What the events, or the offer service when asked, have said of each offer. A copy: it may allow, never refuse.
create table offer_copy (
    offer_id     bigint  primary key,
    post_id      bigint  not null,
    user_id      text    not null,
    seller_id    text    not null,
    offer_type   text    not null,
    agreed_price bigint  not null,
    qty          integer not null,
    pay_method   text    not null,
    offer_status text    not null
);
