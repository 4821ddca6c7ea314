create table notification (
    notification_id bigint generated always as identity primary key,
    -- The event that told it.
    event_id        uuid        not null,
    user_id         text        not null,
    kind            text        not null,
    post_id         bigint      not null,
    offer_id        bigint,
    deal_id         bigint,
    message         text        not null,
    create_dt       timestamptz not null,
    read_dt         timestamptz,
    version         bigint      not null default 1,
    -- Nobody is told twice of one event.
    constraint one_of_each_event unique (event_id, user_id)
);
create index notification_newest on notification (create_dt desc, notification_id desc);
create index notification_of_user on notification (user_id, create_dt desc, notification_id desc);
