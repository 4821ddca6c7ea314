-- A list without a user is one's own, as the seller too.
create index offer_of_seller on offer (seller_id);
