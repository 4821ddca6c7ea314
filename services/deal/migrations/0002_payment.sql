create table payment (
    payment_id bigint generated always as identity primary key,
    offer_id   bigint      not null,
    post_id    bigint      not null,
    deal_id    bigint,
    user_id    text        not null,
    seller_id  text        not null,
    amount     bigint      not null check (amount >= 0),
    qty        integer     not null,
    pay_method text        not null,
    state      text        not null,
    pay_log    jsonb       not null default '[]',
    expires_dt timestamptz,
    version    bigint      not null default 0,
    create_dt  timestamptz not null,
    update_dt  timestamptz not null,
    constraint one_payment_per_offer_and_payer unique (offer_id, user_id)
);
create index payment_of_user on payment (user_id);
create index payment_of_post on payment (post_id);
create index payment_awaited on payment (expires_dt) where state = 'awaitingDeposit';

-- Balances, kept beside the movements that make them. The sum of all is always zero.
create table account (
    name    text   primary key,
    balance bigint not null,
    constraint nobody_owes check (balance >= 0 or name = 'external')
);

-- The ledger: each row is a double entry, credited to one account and debited from another, so that it balances by itself.
create table movement (
    movement_id bigint generated always as identity primary key,
    debit       text        not null references account,
    credit      text        not null references account,
    amount      bigint      not null check (amount > 0),
    payment_id  bigint      references payment,
    at          timestamptz not null default now(),
    constraint between_two check (debit <> credit)
);
create index movement_of_payment on movement (payment_id);

-- Offers that are over, those never placed among them: nothing is held for them any more.
create table closed_offer (
    offer_id bigint primary key
);
