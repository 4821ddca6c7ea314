//! Whatever people do, and all at once: money is neither lost nor made.

use crate::{
    money::{prepaid, transferred},
    support::{Market, Offer, post_unavailable},
};
use chassis::testing::Reply;
use serde_json::{Value, json};
use shared_events::{OfferStatus, PayMethod};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
};
use tokio::task::JoinSet;

const SEEDS: std::ops::Range<u64> = 1..5;
const UNPOISONED: &str = "nobody panics while holding it";
const PEOPLE: u64 = 8;
const COMMANDS_EACH: usize = 50;
const PURSES: [&str; 4] = ["kim", "lee", "박", "seller"];

/// xorshift64*
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }

    fn of<T: Clone>(&mut self, things: &[T]) -> T {
        things[usize::try_from(self.below(things.len() as u64)).expect("small")].clone()
    }
}

/// A market, and the offers that people know of.
struct Town {
    market: Market,
    offers: Mutex<Vec<Offer>>,
    last_offer: AtomicI64,
    unexpected: Mutex<Vec<String>>,
}

impl Town {
    fn note(&self, what: &str, reply: Reply) -> Option<Value> {
        match reply.status.as_u16() {
            200 | 201 => Some(reply.body),
            402 | 409 => None,
            status => {
                let text = format!("{what}: {status} {}", reply.body);
                self.unexpected.lock().expect(UNPOISONED).push(text);
                None
            }
        }
    }

    fn new_offer(&self, dice: &mut Dice) -> Offer {
        let offer_id = self.last_offer.fetch_add(1, Relaxed) + 1;
        let offer = if dice.below(3) == 0 { transferred(offer_id) } else { prepaid(offer_id) };
        let price = i64::try_from(dice.below(900)).expect("small");
        offer.by(dice.of(&PURSES[..3])).at(price).units(1 + i32::try_from(dice.below(3)).expect("small"))
    }

    /// As the offer service does it: money first, then the offer.
    async fn place(&self, offer: Offer) {
        let method = offer.pay_method;
        if method == PayMethod::Wallet && self.note("hold", self.market.hold(offer.bill()).await).is_none() {
            return;
        }
        // Asked, the owner answers what was true before.
        self.market.owner_says(&offer, OfferStatus::OfferAccepted);
        self.offers.lock().expect(UNPOISONED).push(offer.clone());
        self.market.service.deliver_envelopes(&[offer.placed(), offer.accepted()]).await;
    }

    async fn act(&self, dice: &mut Dice) {
        let (market, client) = (&self.market, &self.market.service.client);
        let known = self.offers.lock().expect(UNPOISONED).clone();
        let (roll, user) = (dice.below(31), dice.of(&PURSES));
        if roll < 4 || known.is_empty() {
            let (kind, most) = if roll == 0 { ("withdrawals", 900) } else { ("deposits", 1200) };
            let body = json!({"amount": 1 + dice.below(most)});
            self.note(kind, client.post(&format!("/wallets/{user}/{kind}"), body).await);
            if !known.is_empty() {
                return;
            }
        }
        if roll < 9 || known.is_empty() {
            return self.place(self.new_offer(dice)).await;
        }
        // Rather a young one, where much is still open.
        let offer = dice.of(&known[known.len().saturating_sub(10)..]);
        match roll {
            9 => market.hear(&[offer.canceled()]).await,
            10 => market.hear(&[offer.refused()]).await,
            // For an offer that nobody has placed yet, or never will; then perhaps on other terms.
            28 => drop(self.note("hold early", market.hold(self.new_offer(dice).bill()).await)),
            29 | 30 => {
                let next = prepaid(self.last_offer.load(Relaxed) + i64::from(roll == 30));
                let bill =
                    next.by(dice.of(&PURSES[..3])).at(i64::try_from(dice.below(900)).expect("small")).bill();
                self.note("hold otherwise", market.hold(bill).await);
            }
            11 => drop(self.note("hold again", market.hold(offer.bill()).await)),
            12 => market.sweep().await,
            13..=15 => {
                let payment = market.payment_of(&offer).await;
                let state = if dice.below(4) == 0 { "canceled" } else { "held" };
                if payment.is_null() {
                    return;
                }
                self.note("bank", market.change_payment(&payment, json!({"state": state})).await);
            }
            16..=19 => drop(self.note("reserve", market.reserve(offer.reservation()).await)),
            _ => {
                let path = format!("/deals?offerId={}", offer.offer_id);
                let deals = client.get(&path).await.expect(200);
                let deal = &deals["_embedded"]["deals"][0];
                if deal.is_null() {
                    drop(self.note("reserve", market.reserve(offer.reservation()).await));
                } else if dice.below(5) == 0 {
                    market.hear(&[post_unavailable(deal, "post-hidden")]).await;
                } else {
                    let status = if dice.below(3) == 0 { "dealCanceled" } else { "dealEnded" };
                    self.note(status, market.write(deal, status).await);
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_is_neither_lost_nor_made() {
    for seed in SEEDS {
        println!("seed {seed}");
        let market = Market::told(&["--hold-within=200ms"]).await;
        market.post_says(1, &json!({"qty": 100_000, "availableQty": 100_000}));
        let town = Arc::new(Town {
            market,
            offers: Mutex::default(),
            last_offer: AtomicI64::new(0),
            unexpected: Mutex::default(),
        });
        let mut people = JoinSet::new();
        for person in 0..PEOPLE {
            let (town, mut dice) = (town.clone(), Dice((seed << 32) + person + 1));
            people.spawn(async move {
                for _ in 0..COMMANDS_EACH {
                    town.act(&mut dice).await;
                }
            });
        }
        let over = Arc::new(AtomicBool::new(false));
        let auditor = tokio::spawn({
            let (town, over) = (town.clone(), over.clone());
            async move {
                let mut audits = 0;
                while !over.load(Relaxed) {
                    town.market.assert_books().await;
                    audits += 1;
                }
                audits
            }
        });
        while let Some(person) = people.join_next().await {
            person.unwrap();
        }
        over.store(true, Relaxed);
        println!("{} audits, {} offers", auditor.await.unwrap(), town.last_offer.load(Relaxed));
        settled(&town).await;
    }
}

/// Nobody was told of our troubles, and each step of each payment was told once.
async fn settled(town: &Town) {
    let market = &town.market;
    assert_eq!(*town.unexpected.lock().expect(UNPOISONED), Vec::<String>::new());
    market.assert_books().await;
    market.promised(1).await;
    market.assert_no_dead_letters().await;
    assert_eq!(market.retries().await, 0, "two reactions or commands waited for each other");
    let logged: Vec<(String, i64)> = sqlx::query_as(
        "select step ->> 'state', count(*) from payment, jsonb_array_elements(pay_log) step
         group by 1",
    )
    .fetch_all(&market.service.prepared.app.db)
    .await
    .expect("the table is there");
    println!("{logged:?}");
    let told = market.service.published_types().await;
    for (event, states) in [
        ("PaymentPlaced", &["awaitingDeposit"][..]),
        ("PaymentHeld", &["held"]),
        ("PaymentReleased", &["released"]),
        ("PaymentRefunded", &["refunded"]),
        ("PaymentFailed", &["failed", "canceled"]),
    ] {
        let steps: i64 =
            logged.iter().filter(|(state, _)| states.contains(&state.as_str())).map(|(_, count)| count).sum();
        assert!(steps > 0, "nothing was {states:?}: the dice are loaded");
        let events = told.iter().filter(|kind| *kind == event).count();
        assert_eq!(usize::try_from(steps).expect("a count"), events, "{event}");
    }
}
