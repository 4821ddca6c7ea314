//! What people are told of posts that they wish for.

use super::won;
use crate::domain::{Kind, News, Newsworthy};
use shared_events::{PostEdited, PostStatus, StatusUpdated};

impl Newsworthy for PostEdited {
    fn news(&self) -> Option<News> {
        (self.price < self.previous_price).then(|| News {
            kind: Kind::PriceFell,
            post_id: self.post_id,
            seller_id: self.user_id.clone(),
            message: format!(
                "찜한 상품의 가격이 {}에서 {}으로 내렸습니다: {}",
                won(self.previous_price),
                won(self.price),
                self.goods,
            ),
        })
    }
}

impl Newsworthy for StatusUpdated {
    fn news(&self) -> Option<News> {
        let became = match self.status {
            PostStatus::Created => "다시 판매 중입니다",
            PostStatus::DealReserved => "예약되었습니다",
            PostStatus::DealEnded => "판매되었습니다",
        };
        Some(News {
            kind: Kind::StatusUpdated,
            post_id: self.post_id,
            seller_id: self.user_id.clone(),
            message: format!("찜한 상품이 {became}."),
        })
    }
}
