//! What people are told of money: whoever has something to do now, or has got something. A deposit that the
//! seller confirmed is told to both: the buyer waited for it, and the seller finds there what to give the
//! goods for.

use super::won;
use crate::domain::{Kind, Notice, Tells};
use shared_events::{
    PayMethod, PaymentFailed, PaymentHeld, PaymentPlaced, PaymentRefunded, PaymentReleased, PaymentState,
};

/// `event => (event, amount) -> who is told what`.
macro_rules! payments {
    ($($event:ident => |$it:ident, $amount:ident| $told:expr,)+) => {$(
        impl Tells for $event {
            fn notices(&self) -> Vec<Notice> {
                let ($it, $amount) = (self, won(self.amount));
                let told: Vec<(&String, String)> = $told;
                let notices = told.into_iter().map(|(user_id, message)| Notice {
                    user_id: user_id.clone(),
                    kind: Kind::$event,
                    post_id: self.post_id,
                    offer_id: Some(self.offer_id),
                    deal_id: self.deal_id,
                    message,
                });
                notices.collect()
            }
        }
    )+};
}

payments! {
    PaymentPlaced => |it, amount| {
        vec![(&it.seller_id, format!("{}님이 {amount}을 계좌이체로 보냅니다. 입금되면 확인해 주세요.", it.user_id))]
    },
    PaymentHeld => |it, amount| {
        let seller = (&it.seller_id, format!("{}님의 {amount}을 맡아 두었습니다. 거래가 끝나면 드립니다.", it.user_id));
        match it.pay_method {
            PayMethod::BankTransfer => vec![(&it.user_id, format!("{amount} 입금이 확인되었습니다.")), seller],
            _ => vec![seller],
        }
    },
    PaymentReleased => |it, amount| {
        vec![(&it.seller_id, format!("{}님과의 거래 대금 {amount}을 받았습니다.", it.user_id))]
    },
    PaymentRefunded => |it, amount| vec![(&it.user_id, format!("{amount}이 지갑으로 환불되었습니다."))],
    PaymentFailed => |it, amount| {
        let message = match it.state {
            PaymentState::Canceled => format!("{amount} 입금 대기가 취소되었습니다."),
            _ => format!("{amount}을 결제하지 못했습니다."),
        };
        vec![(&it.user_id, message)]
    },
}
