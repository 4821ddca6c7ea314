create table post (
    post_id     bigint generated always as identity primary key,
    user_id     text        not null,
    goods       text        not null,
    price       bigint      not null check (price >= 0),
    address     text,
    description text,
    category    text,
    photos      text[],
    qty         integer     not null,
    reserved    integer     not null default 0 check (reserved >= 0),
    sold        integer     not null default 0 check (sold >= 0),
    like_cnt    integer     not null default 0 check (like_cnt >= 0),
    status      text        not null,
    hidden      boolean     not null default false,
    -- A deleted post stays as a tombstone: a deal that was reserved meanwhile still has to be answered.
    deleted     boolean     not null default false,
    version     bigint      not null default 1,
    create_dt   timestamptz not null,
    update_dt   timestamptz not null,
    -- What a search by words looks in.
    searchable  text        generated always as (goods || E'\n' || coalesce(description, '')) stored,
    constraint units_are_there check (reserved + sold <= qty)
);
create index post_newest on post (create_dt desc, post_id desc) where not deleted;
create index post_of_user on post (user_id) where not deleted;

-- Without pg_trgm a search is a plain scan.
do $$ begin
    if exists (select from pg_extension where extname = 'pg_trgm') then
        create index post_search on post using gin (searchable public.gin_trgm_ops);
    end if;
end $$;

-- The units each deal took, and what became of them.
create table unit (
    deal_id bigint  primary key,
    post_id bigint  not null references post,
    qty     integer not null,
    state   text    not null check (state in ('reserved', 'sold', 'restored', 'refused'))
);
