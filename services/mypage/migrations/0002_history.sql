-- Every event that had an effect here, as it came: what the views can be made from again. It is kept here because
-- only Kafka keeps events of its own accord, the local bus does not; so that a rebuild is one and the same on either.
-- Cost: see src/rebuild.rs. The inbox lets an event in once, so that event_id needs no index of its own.
create table history (
    -- In the order of the effects, as far as it matters: see src/rebuild.rs.
    id          bigint generated always as identity primary key,
    event_id    uuid        not null,
    event_type  text        not null,
    source      text        not null,
    post_id     bigint      not null,
    happened_at timestamptz not null,
    traceparent text,
    value       text        not null
);

-- Each time the views were made anew: how far it is, and what came of it.
create table rebuild (
    id          bigint      generated always as identity primary key,
    started_at  timestamptz not null default now(),
    -- Events in the history at the start; more may come.
    total       bigint      not null,
    replayed    bigint      not null default 0,
    -- Rows that were wrong or should not have been there, and rows that took their place or were missing.
    removed     bigint,
    written     bigint,
    finished_at timestamptz,
    error       text
);
