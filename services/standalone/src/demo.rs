//! `--demo`: a believable neighbourhood in an empty system, told through the public API like any client would.

use chassis::{
    auth::{AuthError, AuthMode, AuthSettings},
    wire::UserId,
};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Goods, price, category, district.
const GOODS: [(&str, i64, &str, &str); 30] = [
    ("아이폰13 공기계", 600_000, "휴대폰", "방배동"),
    ("무선마우스", 10_000, "컴퓨터", "서초동"),
    ("접이식 자전거 🚲", 120_000, "스포츠", "방배동"),
    ("원목 책상", 80_000, "가구", "사당동"),
    ("기계식 키보드", 55_000, "컴퓨터", "서초동"),
    ("유아용 카시트", 70_000, "육아", "반포동"),
    ("캠핑 의자 두 개", 30_000, "캠핑", "방배동"),
    ("전기밥솥 6인용", 45_000, "가전", "사당동"),
    ("겨울 패딩 (95)", 65_000, "의류", "서초동"),
    ("어린이 그림책 전집", 40_000, "도서", "반포동"),
    ("27인치 모니터", 130_000, "컴퓨터", "잠원동"),
    ("에어프라이어", 35_000, "가전", "방배동"),
    ("통기타", 90_000, "악기", "사당동"),
    ("로봇청소기", 150_000, "가전", "서초동"),
    ("등산화 270", 28_000, "스포츠", "방배동"),
    ("커피 그라인더", 48_000, "주방", "반포동"),
    ("스탠드 조명", 18_000, "가구", "잠원동"),
    ("보드게임 세트", 25_000, "취미", "방배동"),
    ("닌텐도 스위치", 210_000, "게임", "사당동"),
    ("러닝머신", 170_000, "스포츠", "서초동"),
    ("고양이 캣타워", 38_000, "반려동물", "반포동"),
    ("가습기", 15_000, "가전", "방배동"),
    ("전신거울", 22_000, "가구", "잠원동"),
    ("블루투스 스피커", 33_000, "음향", "사당동"),
    ("요가매트", 8_000, "스포츠", "서초동"),
    ("다이슨 드라이기", 240_000, "가전", "반포동"),
    ("수학 문제집", 5_000, "도서", "방배동"),
    ("화분 세 개", 12_000, "식물", "사당동"),
    ("DSLR 카메라", 380_000, "카메라", "서초동"),
    ("나눔: 옷걸이", 0, "나눔", "방배동"),
];
const SELLERS: [&str; 5] = ["민지", "서준", "하윤", "도윤", "지우"];
const BUYERS: [&str; 6] = ["buyer01", "buyer02", "buyer03", "예은", "현우", "수아"];

/// Fills the system behind `gateway`, unless somebody has written a post there already; says how many posts it wrote.
///
/// # Errors
/// A request that was not answered as it should be, in words.
pub async fn fill(gateway: &str, auth: &AuthSettings) -> Result<usize, String> {
    let client = Client::builder().tls_certs_only([]).build().map_err(|error| error.to_string())?;
    let market = Market { client, gateway: gateway.to_owned(), auth };
    if market.get("/posts").await?["page"]["totalElements"] != 0 {
        return Ok(0);
    }
    for buyer in BUYERS {
        let deposits = format!("/wallets/{}/deposits", escaped(buyer));
        market.post(BANK, &deposits, json!({"amount": 1_000_000})).await?;
    }
    for (number, (goods, price, category, address)) in GOODS.iter().enumerate() {
        let seller = SELLERS[number % SELLERS.len()];
        let qty = if number % 10 == 9 { 3 } else { 1 };
        let post = json!({
            "userId": seller, "goods": goods, "price": price, "category": category, "address": address, "qty": qty,
            "description": format!("{goods} 팝니다. {address}에서 직거래해요."),
        });
        let post_id = &market.post(seller, "/posts", post).await?["postId"];
        market.story(number, post_id, seller, *price).await?;
    }
    Ok(GOODS.len())
}

/// A person's name as a part of a path.
fn escaped(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The payment provider, which has the scope `admin`.
const BANK: &str = "bank";

struct Market<'a> {
    client: Client,
    gateway: String,
    auth: &'a AuthSettings,
}

impl Market<'_> {
    /// What happens to a post: every state that posts, offers and deals know comes up.
    async fn story(&self, number: usize, post_id: &Value, seller: &str, price: i64) -> Result<(), String> {
        let buyer = |shift: usize| BUYERS[(number + shift) % BUYERS.len()];
        let lower = price * 9 / 10;
        match number % 6 {
            // Somebody asks, somebody else wishes.
            0 => {
                let question = json!({"userId": buyer(0), "postId": post_id, "body": "아직 있나요? 🙂"});
                self.post(buyer(0), "/messages", question).await?;
                let answer =
                    json!({"userId": seller, "postId": post_id, "toUserId": buyer(0), "body": "네, 있어요!"});
                self.post(seller, "/messages", answer).await?;
                self.post(buyer(1), "/wishlists", json!({"userId": buyer(1), "postId": post_id})).await?;
            }
            // Two ask for less, one is refused.
            1 if lower > 0 => {
                self.offer(buyer(0), post_id, Some(lower)).await?;
                let refused = self.offer(buyer(1), post_id, Some(lower / 2)).await?;
                self.patch(seller, &format!("/offers/{refused}"), json!({"offerStatus": "offerRefused"}))
                    .await?;
            }
            // Accepted, and about to be reserved.
            2 if lower > 0 => {
                let accepted = self.offer(buyer(0), post_id, Some(lower)).await?;
                self.patch(seller, &format!("/offers/{accepted}"), json!({"offerStatus": "offerAccepted"}))
                    .await?;
            }
            // Reserved at the price; somebody else still hopes.
            3 => {
                let offer = self.offer(buyer(0), post_id, None).await?;
                self.offer(buyer(1), post_id, None).await?;
                self.reserve(buyer(0), post_id, &offer).await?;
            }
            // Paid from the wallet, and on its way.
            4 if number % 12 == 4 => {
                let order = json!({
                    "userId": buyer(0), "postId": post_id, "offerType": "dealOffered", "payMethod": "wallet",
                });
                let offer = self.post(buyer(0), "/offers", order).await?["offerId"].take();
                let deal = json!({
                    "userId": buyer(0), "postId": post_id, "offerId": offer, "fulfilment": "delivery",
                    "address": "서울 서초구 방배로 1",
                });
                let deal = self.post(buyer(0), "/deals", deal).await?["dealId"].take();
                let sent = json!({"status": "deliveryStarted", "userId": seller});
                self.patch(seller, &format!("/deals/{deal}"), sent).await?;
            }
            // Called off.
            4 => {
                let offer = self.offer(buyer(0), post_id, None).await?;
                let deal = self.reserve(buyer(0), post_id, &offer).await?;
                self.patch(buyer(0), &format!("/deals/{deal}"), json!({"status": "dealCanceled"})).await?;
            }
            // Ended.
            _ => {
                let offer = self.offer(buyer(0), post_id, None).await?;
                let deal = self.reserve(buyer(0), post_id, &offer).await?;
                let ended = json!({"status": "dealEnded", "userId": buyer(0)});
                self.patch(buyer(0), &format!("/deals/{deal}"), ended).await?;
                let kind =
                    json!({"dealId": deal, "userId": buyer(0), "rating": 5, "comment": "친절하고 빨라요 👍"});
                self.post(buyer(0), "/reviews", kind).await?;
                let back = json!({"dealId": deal, "userId": seller, "rating": 4});
                self.post(seller, "/reviews", back).await?;
            }
        }
        Ok(())
    }

    async fn offer(&self, buyer: &str, post_id: &Value, price: Option<i64>) -> Result<Value, String> {
        let offer = match price {
            Some(price) => {
                json!({"userId": buyer, "postId": post_id, "offerType": "priceNegotiated", "offeredPrice": price})
            }
            None => json!({"userId": buyer, "postId": post_id, "offerType": "dealOffered"}),
        };
        Ok(self.post(buyer, "/offers", offer).await?["offerId"].take())
    }

    async fn reserve(&self, buyer: &str, post_id: &Value, offer_id: &Value) -> Result<Value, String> {
        let deal =
            json!({"userId": buyer, "postId": post_id, "offerId": offer_id, "meetPlace": "방배역 1번 출구"});
        Ok(self.post(buyer, "/deals", deal).await?["dealId"].take())
    }

    async fn get(&self, path: &str) -> Result<Value, String> {
        self.send(None, Method::GET, path, Value::Null).await
    }

    async fn post(&self, who: &str, path: &str, body: Value) -> Result<Value, String> {
        self.send(Some(who), Method::POST, path, body).await
    }

    async fn patch(&self, who: &str, path: &str, body: Value) -> Result<Value, String> {
        self.send(Some(who), Method::PATCH, path, body).await
    }

    /// What proves who acts, where that has to be proved.
    fn token(&self, who: Option<&str>) -> Result<Option<String>, AuthError> {
        match who {
            Some(who) if self.auth.auth == AuthMode::Jwt => {
                let ttl = Duration::from_secs(60);
                self.auth.mint(&UserId(who.to_owned()), who == BANK, ttl).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// A 503 is asked again, as every client should.
    async fn send(
        &self,
        who: Option<&str>,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<Value, String> {
        let token = self.token(who).map_err(|error| error.to_string())?;
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let mut request = self.client.request(method.clone(), format!("{}{path}", self.gateway));
            if let Some(token) = &token {
                request = request.bearer_auth(token);
            }
            if !body.is_null() {
                request = request.json(&body);
            }
            let response = request.send().await.map_err(|error| format!("{method} {path}: {error}"))?;
            let status = response.status();
            let answer: Value = response.json().await.unwrap_or_default();
            if status.is_success() {
                return Ok(answer);
            }
            if status != 503 || Instant::now() > until {
                return Err(format!("{method} {path}: {status} {}", answer["detail"]));
            }
            sleep(Duration::from_millis(500)).await;
        }
    }
}
