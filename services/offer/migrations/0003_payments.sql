-- An offer that is being paid for: nobody sees it, and it blocks a second one, until the money is held.
alter table offer add column pending boolean not null default false;
create index offer_pending on offer (create_dt) where pending;

-- Where its payment stands, as the deal service says.
alter table offer add column payment_state text;
