-- The tables every service has in its own schema.

create table outbox (
    id          bigint generated always as identity primary key,
    event_id    uuid        not null,
    event_type  text        not null,
    post_id     bigint      not null,
    happened_at timestamptz not null,
    traceparent text,
    -- json and not jsonb: the order of the fields is part of the contract.
    value       text        not null
);

-- Events whose effects are here. Kept for good: 40 bytes an event, and no redelivery is ever too late.
create table inbox (
    event_id    uuid        primary key,
    received_at timestamptz not null default now()
);

create table dead_letter (
    id          bigint generated always as identity primary key,
    event_id    uuid        not null unique,
    event_type  text        not null,
    source      text        not null,
    post_id     bigint      not null,
    happened_at timestamptz not null,
    traceparent text,
    value       text        not null,
    error       text        not null,
    failed_at   timestamptz not null default now()
);

create table idempotency (
    scope      text        not null,
    key        text        not null,
    body_hash  bytea       not null,
    status     smallint    not null,
    location   text,
    etag       bigint,
    body       text,
    created_at timestamptz not null default now(),
    primary key (scope, key)
);
create index idempotency_age on idempotency (created_at);
