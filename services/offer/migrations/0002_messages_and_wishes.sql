-- The deal that was reserved on an offer: such an offer does not expire.
alter table offer add column deal_id bigint;
create index offer_that_expires on offer (expires_dt)
    where offer_status in ('offerPlaced', 'offerAccepted') and deal_id is null;

create table wishlist (
    wishlist_id bigint generated always as identity primary key,
    user_id     text        not null,
    post_id     bigint      not null,
    create_dt   timestamptz not null,
    constraint one_wish_per_user_and_post unique (user_id, post_id)
);
create index wishlist_of_post on wishlist (post_id);

create table message (
    message_id bigint generated always as identity primary key,
    post_id    bigint      not null,
    user_id    text        not null,
    to_user_id text        not null,
    offer_id   bigint references offer,
    body       text        not null,
    version    bigint      not null default 1,
    create_dt  timestamptz not null,
    read_dt    timestamptz
);
create index message_of_post on message (post_id);
create index message_of_author on message (user_id);
create index message_of_receiver on message (to_user_id);
