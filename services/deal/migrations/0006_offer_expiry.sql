-- No deal on an offer whose time is over. What was copied before does not say: such an offer does not expire here.
alter table offer_copy add column expires_dt timestamptz;
