//! The words of the wire: states and kinds, spelled once.

use serde::{Deserialize, Serialize};

/// An enum whose variants are words on the wire and in the database.
macro_rules! words {
    ($($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal,)+ })+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {$(
            $(#[$vmeta])*
            #[serde(rename = $word)]
            $variant,
        )+}

        impl $name {
            /// Every one of them, in the order of a life.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        // By hand: the derive does not see a word that comes out of a macro, and names the variants instead.
        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::Type::String)
                    .enum_values(Some(Self::ALL.iter().map(|word| word.as_str())))
                    .into()
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $name {}

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(word: &str) -> Result<Self, String> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(concat!("must be one of", $(" ", $word,)+).to_owned()),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(word: String) -> Result<Self, String> {
                word.parse()
            }
        }
    )+};
}

words! {
    /// Where a post stands; it follows the deals.
    PostStatus {
        /// Units are for sale.
        Created = "created",
        /// Every unit left is promised to somebody.
        DealReserved = "dealReserved",
        /// Every unit is sold.
        DealEnded = "dealEnded",
    }

    /// How a buyer comes to a price.
    OfferType {
        /// At the seller's price.
        DealOffered = "dealOffered",
        /// At a price of the buyer's own.
        PriceNegotiated = "priceNegotiated",
    }

    /// Where an offer stands.
    OfferStatus {
        /// The seller has not answered yet.
        OfferPlaced = "offerPlaced",
        /// The seller agreed.
        OfferAccepted = "offerAccepted",
        /// The seller declined.
        OfferRefused = "offerRefused",
        /// Withdrawn, by the buyer or because there is nothing left to buy.
        OfferCanceled = "offerCanceled",
        /// Its deal was made.
        DealEnded = "dealEnded",
    }

    /// How the money moves.
    PayMethod {
        /// Between the two of them.
        None = "none",
        /// Held in escrow from the buyer's wallet.
        Wallet = "wallet",
        /// By bank transfer, confirmed by the seller.
        BankTransfer = "bankTransfer",
    }

    /// Where a deal stands.
    DealStatus {
        /// They agreed to meet, or to send it.
        DealReserved = "dealReserved",
        /// The parcel is on its way.
        DeliveryStarted = "deliveryStarted",
        /// The buyer asks to call it off although the parcel is on its way.
        CancelRequested = "cancelRequested",
        /// It was called off.
        DealCanceled = "dealCanceled",
        /// Goods and money changed hands.
        DealEnded = "dealEnded",
    }

    /// Where a payment stands.
    PaymentState {
        /// A bank transfer is expected.
        AwaitingDeposit = "awaitingDeposit",
        /// In escrow, for the seller.
        Held = "held",
        /// The seller's.
        Released = "released",
        /// The buyer's again.
        Refunded = "refunded",
        /// The transfer did not come, or is not wanted any more.
        Canceled = "canceled",
        /// There was not enough money.
        Failed = "failed",
    }

    /// How the goods change hands.
    Fulfilment {
        /// In person.
        Meetup = "meetup",
        /// By parcel.
        Delivery = "delivery",
    }
}

impl OfferStatus {
    /// The offer still waits for an answer or for its deal.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::OfferPlaced | Self::OfferAccepted)
    }
}
