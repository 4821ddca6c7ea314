//! The ledger. One service's own tables: these hold at any moment.

use super::Check;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "money-sums-to-zero",
        "No money was made or lost: all accounts together are zero.",
        false,
        "deal.account",
        "select format('all accounts together are %s won', sum(balance)) from deal.account having sum(balance) <> 0",
    ),
    Check::new(
        "nobody-owes",
        "No account but the outside world's is below zero.",
        false,
        "deal.account",
        "select format('%s is at %s won', name, balance) from deal.account where balance < 0 and name <> 'external'",
    ),
    Check::new(
        "movements-balance",
        "Each movement goes from one account to another, and is of some money.",
        false,
        "deal.movement",
        "select format('movement %s: %s won from %s to %s', movement_id, amount, debit, credit)
         from deal.movement where amount <= 0 or debit = credit",
    ),
    Check::new(
        "balances-are-their-movements",
        "Each account is the sum of its movements.",
        false,
        "deal.account",
        "select format('%s is at %s won, its movements sum to %s', name, balance, coalesce(moved, 0))
         from deal.account
         left join (
             select name, sum(amount) as moved
             from (select credit as name, amount from deal.movement
                   union all select debit, -amount from deal.movement) as entry
             group by name
         ) as entries using (name)
         where balance <> coalesce(moved, 0)",
    ),
    Check::new(
        "held-is-open-holds",
        "What a wallet holds is what is held for its owner's open payments.",
        false,
        "deal.account where name like 'escrow/%'",
        "select format('%s: %s won are held, %s in open payments', user_id, coalesce(balance, 0), coalesce(open, 0))
         from (select substr(name, length('escrow/') + 1) as user_id, balance
               from deal.account where name like 'escrow/%') as held
         full join (select user_id, sum(amount) as open
                    from deal.payment where state = 'held' group by user_id) as payments using (user_id)
         where coalesce(balance, 0) <> coalesce(open, 0)",
    ),
    Check::new(
        "payments-move-once",
        "Each step of a payment has moved its money once, and no payment's money moved otherwise.",
        false,
        "deal.payment",
        "select format('payment %s (%s): %s movements of %s won, %s steps of %s', payment_id, state, moved, won, steps, due)
         from deal.payment,
         lateral (select count(*) as moved, coalesce(sum(amount), 0) as won
                  from deal.movement where movement.payment_id = payment.payment_id) as movements,
         lateral (select count(*) as steps, coalesce(sum(said), 0) as due
                  from jsonb_array_elements(pay_log) as step, lateral (select (step ->> 'amount')::bigint as said) as it
                  where step ->> 'state' in ('held', 'released', 'refunded') and said > 0) as log
         where (moved, won) <> (steps, due) or pay_log -> -1 ->> 'state' <> state",
    ),
];
