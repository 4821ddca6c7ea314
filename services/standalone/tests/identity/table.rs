//! Every route and every method, as everybody, held to [`RULES`]; one that is not in the table fails the test.

use super::{SECRET, broken_tokens, claims, common::Market, sign, token};
use crate::rules::{OPEN, OPERATIONS, PEOPLE, RULES, Rule};
use chassis::testing::Client;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// A neighbourhood in which each rule has something of its own to be tried on.
pub(crate) struct World(HashMap<&'static str, i64>);

impl World {
    async fn new(market: &Market) -> Self {
        let (buyer, seller) = (market.who("buyer01"), market.who("seller01"));
        let mut ids = HashMap::new();
        let id = |body: Value, name: &str| body[name].as_i64().unwrap_or_else(|| panic!("{name}: {body:#}"));
        for (name, extra) in [
            ("post", json!({})),
            ("openPost", json!({"qty": 100})),
            ("hiddenPost", json!({"hidden": true})),
            ("lonelyPost", json!({})),
        ] {
            let mut body = json!({"goods": "자전거", "price": 1000});
            body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            ids.insert(name, id(seller.post("/posts", body).await.expect(201), "postId"));
        }
        let offer_on_a_new_post = async |extra: Value| {
            let body = json!({"goods": "의자", "price": 1000});
            let post = id(seller.post("/posts", body).await.expect(201), "postId");
            let mut body = json!({"postId": post, "offerType": "dealOffered"});
            body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            (post, id(buyer.post("/offers", body).await.expect(201), "offerId"))
        };
        let lower = json!({"offerType": "priceNegotiated", "offeredPrice": 900});
        for name in ["offer", "offerToAccept", "offerToRefuse", "offerToCancel"] {
            let (post, offer) = offer_on_a_new_post(lower.clone()).await;
            ids.insert(name, offer);
            if name == "offer" {
                ids.insert("postOfOffer", post);
            }
        }
        let (post, offer) = offer_on_a_new_post(json!({})).await;
        ids.insert("offerToReserve", offer);
        ids.insert("postToReserve", post);
        for (name, extra) in [
            ("deal", json!({})),
            ("endedDeal", json!({})),
            ("parcel", json!({"fulfilment": "delivery", "address": "방배로 1"})),
        ] {
            let (post, offer) = offer_on_a_new_post(json!({})).await;
            let mut body = json!({"postId": post, "offerId": offer, "userId": "buyer01"});
            body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            ids.insert(name, id(buyer.post("/deals", body).await.expect(201), "dealId"));
        }
        let ended = format!("/deals/{}", ids["endedDeal"]);
        seller.patch(&ended, json!({"status": "dealEnded"})).await.expect(200);
        let review = json!({"dealId": ids["endedDeal"], "rating": 4});
        ids.insert("review", id(buyer.post("/reviews", review).await.expect(201), "reviewId"));
        for name in ["payment", "otherPayment"] {
            let (_, offer) = offer_on_a_new_post(json!({"payMethod": "bankTransfer"})).await;
            let path = format!("/payments?offerId={offer}");
            let list = market.until_as(&buyer, &path, |list| list["page"]["totalElements"] == 1).await;
            ids.insert(name, id(list["_embedded"]["payments"][0].clone(), "paymentId"));
        }
        let about = json!({"postId": ids["post"], "body": "아직 있나요?"});
        ids.insert("message", id(buyer.post("/messages", about).await.expect(201), "messageId"));
        let wish = json!({"postId": ids["post"]});
        ids.insert("wish", id(buyer.post("/wishlists", wish).await.expect(201), "wishlistId"));
        let alert = json!({"keyword": "자전거"});
        ids.insert("alert", id(buyer.post("/alerts", alert).await.expect(201), "alertId"));
        let list = market
            .until_as(&seller, "/notifications", |list| list["page"]["totalElements"].as_i64() > Some(0))
            .await;
        ids.insert("notification", id(list["_embedded"]["notifications"][0].clone(), "notificationId"));
        let mine = format!("/myPages/{}", ids["post"]);
        market.until_as(&seller, &mine, |page| page["offerCnt"] == 0).await;
        let order = format!("/purchases/{}", ids["offer"]);
        market.until_as(&buyer, &order, |order| order["offerId"] == ids["offer"]).await;
        // A buyer with some money.
        market.admin().post("/wallets/buyer01/deposits", json!({"amount": 1000})).await.expect(201);
        Self(ids)
    }

    fn path(&self, rule: &Rule) -> String {
        let id = self.0.get(rule.id).map_or_else(|| rule.id.to_owned(), ToString::to_string);
        let before = rule.path.find('{').unwrap_or(rule.path.len());
        let after = rule.path.find('}').map_or("", |end| &rule.path[end + 1..]);
        format!("{}{}{after}", &rule.path[..before], if before < rule.path.len() { &id } else { "" })
    }

    fn body(&self, rule: &Rule) -> Option<Value> {
        let mut body: Value = serde_json::from_str(rule.body).ok()?;
        for value in body.as_object_mut()?.values_mut() {
            if let Some(name) = value.as_str().and_then(|text| text.strip_prefix('$')) {
                *value = json!(self.0[name]);
            }
        }
        Some(body)
    }
}

/// The status and the challenge; the body, which may have no end, is not read.
async fn ask(
    client: &reqwest::Client,
    base: &str,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> (u16, String) {
    let mut request = client.request(method.parse::<Method>().unwrap(), format!("{base}{path}"));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    let response = request.send().await.unwrap();
    let challenge = response.headers().get("www-authenticate").map_or("", |value| value.to_str().unwrap());
    (response.status().as_u16(), challenge.to_owned())
}

fn tokens() -> [Option<String>; 5] {
    PEOPLE.map(|who| match who {
        "" => None,
        "admin01" => Some(sign(SECRET, &claims(who, json!({"scope": "admin"})))),
        who => Some(token(who)),
    })
}

fn route(rule: &Rule) -> (&str, &str) {
    (rule.method, rule.path.split('?').next().unwrap())
}

#[tokio::test]
async fn every_route_answers_each_as_the_table_says() {
    let market = Market::guarded(SECRET).await;
    let world = World::new(&market).await;
    let (tokens, broken) = (tokens(), broken_tokens());
    // Without TLS, and so without loading certificates.
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let mut wrong = Vec::new();
    for (service, rules) in RULES {
        let (_, address) = market.marketplace.services.iter().find(|(name, _)| name == service).unwrap();
        let base = format!("http://{address}");
        let rules: Vec<_> = rules.iter().chain(OPERATIONS).chain(OPEN).collect();
        let known: BTreeSet<_> = rules.iter().map(|rule| route(rule)).collect();
        check_routes(&base, service, &known).await;

        for rule in &rules {
            let (path, body) = (world.path(rule), world.body(rule));
            let what = format!("{} {path} {}", rule.method, rule.body);
            let open = OPEN.iter().any(|open| open.path == rule.path);
            for (kind, token) in &broken {
                let got = ask(&client, &base, rule.method, &path, Some(token), body.as_ref()).await;
                let expected = if open { (200, "") } else { (401, r#"Bearer error="invalid_token""#) };
                if (got.0, got.1.as_str()) != expected {
                    wrong.push(format!("{what}, a token {kind}: {got:?} is not {expected:?}"));
                }
            }
            for ((who, token), expected) in PEOPLE.iter().zip(&tokens).zip(rule.expected) {
                if rule.method == "GET" {
                    let (head, _) = ask(&client, &base, "HEAD", &path, token.as_deref(), None).await;
                    if head != expected {
                        wrong.push(format!("HEAD {path} as {who:?}: {head} is not {expected}"));
                    }
                }
                let (got, challenge) =
                    ask(&client, &base, rule.method, &path, token.as_deref(), body.as_ref()).await;
                if got != expected || (got == 401) != (challenge == "Bearer") {
                    wrong.push(format!("{what} as {who:?}: {got} is not {expected} {challenge}"));
                }
            }
        }
        // What a route has no method for, it has for nobody.
        for path in known.iter().map(|(_, path)| *path).collect::<BTreeSet<_>>() {
            for method in METHODS.into_iter().filter(|method| !known.contains(&(*method, path))) {
                let path = path.replace("{id}", "1").replace("{userId}", "buyer01");
                for token in &tokens {
                    let (got, _) = ask(&client, &base, method, &path, token.as_deref(), None).await;
                    if got != 405 {
                        wrong.push(format!("{method} {path}: {got} is not 405, and is not in the table"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    market.stop().await;
}

/// The table has what the service documents, and the document itself, and nothing else.
async fn check_routes(base: &str, service: &str, known: &BTreeSet<(&str, &str)>) {
    let document = Client::new(base).get("/openapi.json").await.expect(200);
    let paths = document["paths"].as_object().unwrap();
    let documented = paths.iter().flat_map(|(path, operations)| {
        let methods = operations.as_object().unwrap().keys().map(|method| method.to_uppercase());
        methods.filter(|method| METHODS.contains(&method.as_str())).map(|method| (method, path.clone()))
    });
    let documented: BTreeSet<_> = documented.collect();
    let table = known.iter().filter(|(_, path)| *path != "/openapi.json");
    let table: BTreeSet<_> = table.map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(documented, table, "the routes of {service}, and those in the table");
}

/// A list shows everybody their own, and an admin everything.
#[tokio::test]
async fn a_list_is_ones_own() {
    let market = Market::guarded(SECRET).await;
    World::new(&market).await;
    // As whom each person may stand in a row.
    for (path, name, parties) in [
        ("/offers", "offers", &["userId", "sellerId"][..]),
        ("/messages", "messages", &["userId", "toUserId"]),
        ("/wishlists", "wishlists", &["userId"]),
        ("/deals", "deals", &["userId", "sellerId"]),
        ("/payments", "payments", &["userId", "sellerId"]),
        ("/myPages", "myPages", &["userId"]),
        ("/sales", "sales", &["userId"]),
        ("/purchases", "purchases", &["userId"]),
        ("/notifications", "notifications", &["userId"]),
        ("/alerts", "alerts", &["userId"]),
    ] {
        let all = market.admin().get(&format!("{path}?size=1000")).await.expect(200);
        let all = all["_embedded"][name].as_array().unwrap().clone();
        assert!(!all.is_empty(), "{path}");
        for who in ["buyer01", "seller01", "stranger"] {
            let list = market.who(who).get(&format!("{path}?size=1000")).await.expect(200);
            let concerns = |row: &&Value| parties.iter().any(|party| row[*party] == who);
            let own: Vec<_> = all.iter().filter(concerns).map(|row| row["_links"]["self"].clone()).collect();
            let shown: Vec<_> = list["_embedded"][name].as_array().unwrap().iter().collect();
            // New notifications may come meanwhile.
            assert!(shown.iter().all(concerns) && shown.len() >= own.len(), "{path} as {who}: {list:#}");
            assert_eq!(own.is_empty(), who == "stranger" || shown.is_empty(), "{path} as {who}");
        }
    }
    let posts = async |client: Client| {
        client.get("/posts?hidden=true").await.expect(200)["page"]["totalElements"].clone()
    };
    assert_eq!(posts(market.client.clone()).await, 0);
    assert_eq!(posts(market.who("buyer01")).await, 0);
    assert_eq!(posts(market.who("seller01")).await, 1, "the seller's own, without saying who asks");
    assert_eq!(posts(market.admin()).await, 1);
    market.stop().await;
}
