-- A list without a user is one's own, as the seller too.
create index deal_of_seller on deal (seller_id);
create index payment_of_seller on payment (seller_id);
