-- Ids are given out before they commit. So that a listener can ask for "what is after the last one I saw" and
-- miss nothing, notifications are inserted one transaction at a time: whoever does takes a turn first, and keeps it
-- until its transaction ends. Their ids then become visible in order. It costs little here, where up to a hundred
-- reactions share a transaction, and unlike a horizon of snapshots it waits for nobody else's long transaction.
create function take_turn() returns trigger language plpgsql as $$
begin
    -- A process that vanishes in its turn (its machine did, say) holds the others up this long at most.
    perform set_config('idle_in_transaction_session_timeout', '10s', true);
    perform pg_advisory_xact_lock(hashtextextended('notification turn', 0));
    return null;
end
$$;

-- For each statement, and so before the first id is drawn.
create trigger in_turn before insert on notification for each statement execute function take_turn();

create index notification_order_of_user on notification (user_id, notification_id);
create index notification_unread on notification (user_id) where read_dt is null;

-- Who wishes for what, and from when to when: a wish is kept when it is gone, for news that come late.
create table wish (
    wishlist_id bigint      primary key,
    user_id     text        not null,
    post_id     bigint      not null,
    -- Null while only its end is known.
    added_at    timestamptz,
    deleted_at  timestamptz
);
create index wish_of_post on wish (post_id);

-- What happened to posts that those who wish for them are told. Kept for wishes that come late.
create table post_news (
    event_id    uuid        primary key,
    post_id     bigint      not null,
    seller_id   text        not null,
    kind        text        not null,
    message     text        not null,
    happened_at timestamptz not null
);
create index post_news_of_post on post_news (post_id);

-- Whom news concern: all who wished for the post at that time, by the publishers' own clocks. It depends on what
-- has arrived and not on the order in which it did.
create view wisher_told as
select wish.wishlist_id, wish.user_id, news.*
from wish join post_news news using (post_id)
where wish.user_id <> news.seller_id
  and wish.added_at <= news.happened_at
  and (wish.deleted_at is null or news.happened_at < wish.deleted_at);

-- Wishes and news come from different publishers at the same time: without turns, neither would see the other.
create trigger in_turn before insert or update on wish for each statement execute function take_turn();
create trigger in_turn before insert on post_news for each statement execute function take_turn();

create table alert (
    alert_id  bigint generated always as identity primary key,
    user_id   text        not null,
    keyword   text        not null,
    -- As it is compared: in small letters, and each Korean syllable one character, however it was typed.
    folded    text        not null generated always as (lower(normalize(keyword, nfc))) stored,
    create_dt timestamptz not null,
    constraint one_alert_of_each_keyword unique (user_id, folded)
);
create index alert_newest on alert (create_dt desc, alert_id desc);
