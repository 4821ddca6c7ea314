//! What the stories about money are told with.

use crate::support::{Market, Offer, offer};
use chassis::testing::Reply;
use serde_json::{Value, json};
use shared_events::PayMethod;

/// Faults of the books, in one snapshot: balances, debts, escrow, and what became of payments and their deals.
const FAULTS: &str = "
    select 'all accounts together: ' || sum(balance) from account having sum(balance) <> 0
    union all select name || ' owes ' || -balance from account where balance < 0 and name <> 'external'
    union all select name || ' is not the sum of its movements' from account
        where balance <> (select coalesce(sum(case when credit = name then amount else -amount end), 0)
                          from movement where name in (debit, credit))
    union all select name || ' is not what is held'
        from (select name, balance from account where name like 'escrow/%') escrow
        full join (select 'escrow/' || user_id as name, sum(amount) as held from payment
                   where state = 'held' group by user_id) payments using (name)
        where coalesce(balance, 0) <> coalesce(held, 0)
    union all select 'payment ' || payment_id || ' is ' || state || ', paid out ' || count(paid) || ' times'
        from payment left join movement using (payment_id, amount)
        left join lateral (select movement_id where (debit, credit) = ('escrow/' || user_id, 'user/' || seller_id))
            as paid_out(paid) on true
        group by payment_id having count(paid) <> (state = 'released' and amount > 0)::int
    union all select 'payment ' || payment_id || ' is held for nothing' from payment join closed_offer using (offer_id)
        where state = 'held' and not exists (
            select from deal where deal.offer_id = payment.offer_id
                and status in ('deliveryStarted', 'cancelRequested'))
    union all select 'deal ' || deal.deal_id || ' is ' || status || ', its payment ' || state
        from payment join deal using (deal_id)
        where (status = 'dealEnded') <> (state = 'released') or (status = 'dealCanceled') <> (state = 'refunded')";

/// An offer that is paid from the buyer's wallet.
pub(crate) fn prepaid(offer_id: i64) -> Offer {
    offer(offer_id).paid_by(PayMethod::Wallet)
}

/// An offer that is paid by bank transfer.
pub(crate) fn transferred(offer_id: i64) -> Offer {
    offer(offer_id).paid_by(PayMethod::BankTransfer)
}

impl Offer {
    /// What the offer service asks for before it places an offer.
    pub(crate) fn bill(&self) -> Value {
        let amount = self.agreed_price() * i64::from(self.qty);
        json!({
            "offerId": self.offer_id, "postId": self.post_id, "userId": self.buyer, "sellerId": "seller",
            "amount": amount, "qty": self.qty, "payMethod": "wallet",
        })
    }
}

impl Market {
    pub(crate) async fn deposit(&self, user: &str, amount: i64) -> Value {
        let path = format!("/wallets/{user}/deposits");
        self.service.client.post(&path, json!({"amount": amount})).await.expect(201)
    }

    /// What is free in a wallet, and what is held.
    pub(crate) async fn wallet(&self, user: &str) -> (i64, i64) {
        let wallet = self.service.client.get(&format!("/wallets/{user}")).await.expect(200);
        let won = |field: &str| wallet[field].as_i64().expect("a number");
        (won("balance"), won("held"))
    }

    pub(crate) async fn hold(&self, bill: Value) -> Reply {
        self.service.client.post("/payments", bill).await
    }

    /// Puts the money into the buyer's wallet, holds it, and places the offer.
    pub(crate) async fn paid(&self, offer: &Offer) -> Value {
        self.deposit(&offer.buyer, offer.agreed_price() * i64::from(offer.qty)).await;
        let payment = self.hold(offer.bill()).await.expect(201);
        self.hear(&[offer.placed()]).await;
        payment
    }

    /// The payment of an offer, as it stands.
    pub(crate) async fn payment_of(&self, offer: &Offer) -> Value {
        let path = format!("/payments?offerId={}&userId={}", offer.offer_id, offer.buyer);
        let list = self.service.client.get(&path).await.expect(200);
        list["_embedded"]["payments"][0].clone()
    }

    pub(crate) async fn change_payment(&self, payment: &Value, body: Value) -> Reply {
        self.service.client.patch(&format!("/payments/{}", payment["paymentId"]), body).await
    }

    /// Lets the time of all payments be over.
    pub(crate) async fn time_passes(&self) {
        sqlx::query(
            "update payment set expires_dt = now() - interval '1 second' where expires_dt is not null",
        )
        .execute(&self.service.prepared.app.db)
        .await
        .expect("the table is there");
    }

    /// Does what time alone brings about.
    pub(crate) async fn sweep(&self) {
        let sweep = deal::service().sweep.expect("deal has one");
        sweep(&self.service.prepared.app).await.unwrap_or_else(|problem| panic!("{}", problem.code()));
    }

    /// Reactions that were tried again, such as those that waited for each other.
    pub(crate) async fn retries(&self) -> u64 {
        let metrics = self.service.client.get("/metrics").await.expect(200);
        let mut lines = metrics.as_str().expect("text").lines();
        let line = lines.find(|line| line.starts_with("reaction_retries_total")).expect("it is counted");
        line.rsplit(' ').next().and_then(|count| count.parse().ok()).expect("a count")
    }

    pub(crate) async fn assert_books(&self) {
        let faults: Vec<String> = sqlx::query_scalar(FAULTS)
            .fetch_all(&self.service.prepared.app.db)
            .await
            .expect("the tables are there");
        assert_eq!(faults, Vec::<String>::new());
    }
}
