-- No event tells that a meeting is near, so the days on which people meet are kept here.
create table meeting (
    deal_id      bigint      primary key,
    buyer        text        not null,
    seller       text        not null,
    post_id      bigint      not null,
    offer_id     bigint      not null,
    reserve_dt   timestamptz,
    meet_place   text,
    -- False for ever once the deal is over or its parcel on its way.
    live         boolean     not null,
    -- When deal said so: a dead letter that is replayed does not bring an older day back.
    said_at      timestamptz not null,
    -- The day of which both were reminded last.
    reminded_for timestamptz
);
create index meeting_due on meeting (reserve_dt) where live and reminded_for is distinct from reserve_dt;

-- Reactions and reminders write meetings and notifications in one transaction: the turn comes first for both, as
-- otherwise one could hold the turn and want the row that the other holds.
create trigger in_turn before insert or update on meeting for each statement execute function take_turn();
