//! The table: what each route answers to whom.

/// A request, and the status that each of [`PEOPLE`] gets, one after the other.
pub(crate) struct Rule {
    /// The method.
    pub(crate) method: &'static str,
    /// The route, with a query where the rule depends on it.
    pub(crate) path: &'static str,
    /// What the `{…}` of the route is: an id of the [`World`](crate::table::World), or a word.
    pub(crate) id: &'static str,
    /// The body; `$name` is an id.
    pub(crate) body: &'static str,
    /// By person.
    pub(crate) expected: [u16; 5],
}

/// Who asks. `buyer01` bought, `seller01` sold, `admin01` has the scope; nobody has no token.
pub(crate) const PEOPLE: [&str; 5] = ["", "stranger", "admin01", "buyer01", "seller01"];

const fn rule(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    body: &'static str,
    expected: [u16; 5],
) -> Rule {
    Rule { method, path, id, body, expected }
}

/// Everybody may.
const PUBLIC: [u16; 5] = [200; 5];
/// Whoever has a token may, for themselves.
const OWN: [u16; 5] = [401, 200, 200, 200, 200];
/// The buyer's list is asked for by name.
const BUYERS: [u16; 5] = [401, 403, 200, 200, 403];
/// Both parties may see it, and whoever sees everything.
const PARTIES: [u16; 5] = [401, 404, 200, 200, 200];
/// Only the buyer, and whoever sees everything.
const BUYER: [u16; 5] = [401, 404, 200, 200, 404];
/// Only the seller, and whoever sees everything.
const SELLER: [u16; 5] = [401, 404, 200, 404, 200];
/// Only who runs the marketplace.
const OPERATOR: [u16; 5] = [401, 403, 200, 403, 403];
/// The seller's to do: the buyer is told so, and a stranger nothing.
const SELLERS: [u16; 5] = [401, 404, 403, 403, 200];

/// By service.
pub(crate) const RULES: &[(&str, &[Rule])] = &[
    (
        "post",
        &[
            rule("GET", "/posts", "", "", PUBLIC),
            rule("GET", "/posts?userId=buyer01", "", "", PUBLIC),
            rule("GET", "/posts/{id}", "post", "", PUBLIC),
            rule("GET", "/posts/{id}", "hiddenPost", "", [404, 404, 200, 404, 200]),
            rule("GET", "/posts/{id}/availability", "post", "", PUBLIC),
            rule("POST", "/posts", "", r#"{"goods": "책", "price": 1}"#, [401, 201, 201, 201, 201]),
            rule(
                "POST",
                "/posts",
                "",
                r#"{"goods": "책", "price": 1, "userId": "seller01"}"#,
                [401, 403, 403, 403, 201],
            ),
            rule("PATCH", "/posts/{id}", "post", r#"{"address": "방배동"}"#, [401, 403, 403, 403, 200]),
            rule(
                "PATCH",
                "/posts/{id}",
                "post",
                r#"{"address": "방배동", "userId": "seller01"}"#,
                [401, 403, 403, 403, 200],
            ),
            rule(
                "PATCH",
                "/posts/{id}",
                "post",
                r#"{"address": "방배동", "userId": "buyer01"}"#,
                [401, 403, 403, 403, 403],
            ),
            rule("PATCH", "/posts/{id}", "hiddenPost", r#"{"price": 5}"#, [401, 404, 403, 404, 200]),
            rule(
                "PUT",
                "/posts/{id}",
                "lonelyPost",
                r#"{"goods": "책", "price": 2}"#,
                [401, 403, 403, 403, 200],
            ),
            rule("DELETE", "/posts/{id}", "lonelyPost", "", [401, 403, 403, 403, 204]),
        ],
    ),
    (
        "offer",
        &[
            rule("GET", "/offers", "", "", OWN),
            rule("GET", "/offers?userId=buyer01", "", "", BUYERS),
            rule("GET", "/offers/{id}", "offer", "", PARTIES),
            rule(
                "POST",
                "/offers",
                "",
                r#"{"postId": "$openPost", "offerType": "dealOffered"}"#,
                [401, 201, 201, 201, 409],
            ),
            rule(
                "POST",
                "/offers",
                "",
                r#"{"postId": "$openPost", "offerType": "dealOffered", "userId": "buyer02"}"#,
                [401, 403, 403, 403, 403],
            ),
            rule("PATCH", "/offers/{id}", "offer", r#"{"userId": "buyer01"}"#, PARTIES),
            rule(
                "PATCH",
                "/offers/{id}",
                "offerToAccept",
                r#"{"offerStatus": "offerAccepted", "userId": "buyer01"}"#,
                SELLERS,
            ),
            rule("PATCH", "/offers/{id}", "offerToRefuse", r#"{"offerStatus": "offerRefused"}"#, SELLERS),
            rule(
                "PATCH",
                "/offers/{id}",
                "offerToCancel",
                r#"{"offerStatus": "offerCanceled"}"#,
                [401, 404, 403, 200, 403],
            ),
            rule("GET", "/messages", "", "", OWN),
            rule("GET", "/messages?userId=buyer01", "", "", BUYERS),
            rule("GET", "/messages/{id}", "message", "", PARTIES),
            rule(
                "POST",
                "/messages",
                "",
                r#"{"postId": "$openPost", "body": "?"}"#,
                [401, 201, 201, 201, 400],
            ),
            rule(
                "POST",
                "/messages",
                "",
                r#"{"postId": "$openPost", "body": "?", "userId": "buyer01"}"#,
                [401, 403, 403, 201, 403],
            ),
            rule("PATCH", "/messages/{id}", "message", r#"{"read": true}"#, SELLERS),
            rule("GET", "/wishlists", "", "", OWN),
            rule("GET", "/wishlists?userId=buyer01", "", "", BUYERS),
            rule("GET", "/wishlists/{id}", "wish", "", BUYER),
            rule("POST", "/wishlists", "", r#"{"postId": "$post"}"#, [401, 201, 201, 200, 201]),
            rule(
                "POST",
                "/wishlists",
                "",
                r#"{"postId": "$post", "userId": "buyer01"}"#,
                [401, 403, 403, 200, 403],
            ),
            rule("DELETE", "/wishlists/{id}", "wish", "", [401, 404, 403, 204, 404]),
        ],
    ),
    (
        "deal",
        &[
            rule("GET", "/deals", "", "", OWN),
            rule("GET", "/deals?userId=buyer01", "", "", BUYERS),
            rule("GET", "/deals/{id}", "deal", "", PARTIES),
            // Deal asks offer, with the token of whoever asks deal.
            rule(
                "POST",
                "/deals",
                "",
                r#"{"postId": "$postOfOffer", "offerId": "$offer", "userId": "buyer01"}"#,
                [401, 404, 409, 409, 409],
            ),
            rule(
                "POST",
                "/deals",
                "",
                r#"{"postId": "$postToReserve", "offerId": "$offerToReserve", "userId": "buyer01"}"#,
                [401, 404, 403, 201, 409],
            ),
            rule("PATCH", "/deals/{id}", "deal", r#"{"meetPlace": "방배역"}"#, [401, 404, 403, 200, 200]),
            rule(
                "PATCH",
                "/deals/{id}",
                "deal",
                r#"{"meetPlace": "방배역", "userId": "seller01"}"#,
                [401, 403, 403, 403, 200],
            ),
            rule("PATCH", "/deals/{id}", "parcel", r#"{"status": "deliveryStarted"}"#, SELLERS),
            rule(
                "PATCH",
                "/deals/{id}",
                "parcel",
                r#"{"status": "cancelRequested"}"#,
                [401, 404, 403, 200, 200],
            ),
            rule(
                "PATCH",
                "/deals/{id}",
                "parcel",
                r#"{"status": "dealCanceled"}"#,
                [401, 404, 403, 409, 200],
            ),
            rule("GET", "/reviews", "", "", PUBLIC),
            rule("GET", "/reviews/{id}", "review", "", PUBLIC),
            rule(
                "POST",
                "/reviews",
                "",
                r#"{"dealId": "$endedDeal", "rating": 5}"#,
                [401, 404, 403, 409, 201],
            ),
            rule(
                "POST",
                "/reviews",
                "",
                r#"{"dealId": "$endedDeal", "rating": 5, "userId": "buyer01"}"#,
                [401, 403, 403, 409, 403],
            ),
            rule("GET", "/payments", "", "", OWN),
            rule("GET", "/payments?userId=buyer01", "", "", BUYERS),
            rule("GET", "/payments/{id}", "payment", "", PARTIES),
            rule(
                "POST",
                "/payments",
                "",
                r#"{"offerId": 999, "postId": "$post", "sellerId": "seller01", "amount": 1, "qty": 1, "payMethod": "wallet", "userId": "buyer01"}"#,
                [401, 403, 403, 201, 403],
            ),
            rule("PATCH", "/payments/{id}", "payment", r#"{"state": "held", "userId": "buyer01"}"#, SELLERS),
            rule(
                "PATCH",
                "/payments/{id}",
                "otherPayment",
                r#"{"state": "canceled"}"#,
                [401, 404, 403, 200, 403],
            ),
            rule("GET", "/wallets/{userId}", "buyer01", "", BUYER),
            rule(
                "POST",
                "/wallets/{userId}/deposits",
                "buyer01",
                r#"{"amount": 5}"#,
                [401, 403, 201, 403, 403],
            ),
            rule(
                "POST",
                "/wallets/{userId}/withdrawals",
                "buyer01",
                r#"{"amount": 5}"#,
                [401, 404, 403, 201, 404],
            ),
        ],
    ),
    (
        "mypage",
        &[
            rule("GET", "/myPages", "", "", OWN),
            rule("GET", "/myPages?userId=buyer01", "", "", BUYERS),
            rule("GET", "/myPages/{id}", "post", "", SELLER),
            rule("GET", "/sales", "", "", OWN),
            rule("GET", "/sales?userId=buyer01", "", "", BUYERS),
            rule("GET", "/sales/{id}", "post", "", SELLER),
            rule("GET", "/purchases", "", "", OWN),
            rule("GET", "/purchases?userId=buyer01", "", "", BUYERS),
            rule("GET", "/purchases/{id}", "offer", "", BUYER),
            rule("GET", "/users/{id}/profile", "buyer01", "", PUBLIC),
            rule("POST", "/rebuild", "", "", [401, 403, 202, 403, 403]),
            rule("GET", "/rebuild", "", "", OPERATOR),
        ],
    ),
    ("notification", NOTIFICATION),
];

const NOTIFICATION: &[Rule] = &[
    rule("GET", "/notifications", "", "", OWN),
    rule("GET", "/notifications?userId=buyer01", "", "", BUYERS),
    rule("PATCH", "/notifications", "", r#"{"read": true}"#, OWN),
    rule("PATCH", "/notifications?userId=buyer01", "", r#"{"read": true}"#, [401, 403, 403, 200, 403]),
    rule("GET", "/notifications/unread-count", "", "", OWN),
    rule("GET", "/notifications/unread-count?userId=buyer01", "", "", BUYERS),
    rule("GET", "/notifications/stream", "", "", OWN),
    rule("GET", "/notifications/stream?userId=buyer01", "", "", BUYERS),
    rule("GET", "/notifications/{id}", "notification", "", SELLER),
    rule("PATCH", "/notifications/{id}", "notification", r#"{"read": true}"#, [401, 404, 403, 404, 200]),
    rule("GET", "/notices", "", "", OWN),
    rule("PATCH", "/notices", "", r#"{"read": true}"#, OWN),
    rule("GET", "/notices/unread-count", "", "", OWN),
    rule("GET", "/notices/stream", "", "", OWN),
    rule("GET", "/notices/{id}", "notification", "", SELLER),
    rule("PATCH", "/notices/{id}", "notification", r#"{"read": true}"#, [401, 404, 403, 404, 200]),
    rule("GET", "/alerts", "", "", OWN),
    rule("GET", "/alerts?userId=buyer01", "", "", BUYERS),
    rule("POST", "/alerts", "", r#"{"keyword": "자전거"}"#, [401, 201, 201, 200, 201]),
    rule("POST", "/alerts", "", r#"{"keyword": "자전거", "userId": "buyer01"}"#, [401, 403, 403, 200, 403]),
    rule("GET", "/alerts/{id}", "alert", "", BUYER),
    rule("DELETE", "/alerts/{id}", "alert", "", [401, 404, 403, 204, 404]),
];

/// What every service has.
pub(crate) const OPERATIONS: &[Rule] = &[
    rule("GET", "/dead-letters", "", "", OPERATOR),
    rule("DELETE", "/dead-letters/{id}", "7", "", [401, 403, 404, 403, 403]),
    rule("POST", "/dead-letters/{id}/replay", "7", "", [401, 403, 404, 403, 403]),
];

/// Where nobody looks at a token, good or bad.
pub(crate) const OPEN: &[Rule] = &[
    rule("GET", "/livez", "", "", PUBLIC),
    rule("GET", "/readyz", "", "", PUBLIC),
    rule("GET", "/actuator/health", "", "", PUBLIC),
    rule("GET", "/metrics", "", "", PUBLIC),
    rule("GET", "/openapi.json", "", "", PUBLIC),
];
