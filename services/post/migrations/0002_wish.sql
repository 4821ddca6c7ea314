-- Who wishes for what, from the events. A set, not a counter: whatever comes twice or late, post.like_cnt is its size.
-- A wish that was taken back stays as a tombstone.
create table wish (
    wishlist_id bigint  primary key,
    post_id     bigint  not null references post,
    gone        boolean not null
);
create index wish_of_post on wish (post_id) where not gone;
