-- What the recorder heard, in that order.
create table heard (
    position bigint generated always as identity primary key,
    post_id  bigint not null,
    number   bigint not null
);

-- Numbers that make no sense to it for now.
create table refused (number bigint primary key);
