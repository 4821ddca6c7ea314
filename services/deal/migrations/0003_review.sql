create table review (
    review_id bigint generated always as identity primary key,
    deal_id   bigint      not null references deal,
    post_id   bigint      not null,
    user_id   text        not null,
    target_id text        not null,
    rating    integer     not null check (rating between 1 and 5),
    comment   text,
    create_dt timestamptz not null,
    constraint one_review_per_deal_and_author unique (deal_id, user_id)
);
create index review_of_post on review (post_id);
create index review_of_user on review (user_id);
create index review_of_target on review (target_id);
