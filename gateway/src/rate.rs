//! How many requests one address and one user may make. Token buckets (GCRA), one for each that asks.

use std::{
    hash::Hash,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    str::FromStr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::Response,
};
use chassis::{
    auth::{AuthMode, Verifier},
    problem::Problem,
};
use clap::Args;
use governor::{
    DefaultKeyedRateLimiter, Quota,
    clock::{Clock, DefaultClock},
};
use ipnet::IpNet;

use crate::proxy::FORWARDED_FOR;

/// Buckets that have filled up again are forgotten so often; until then each costs some 100 bytes.
const FORGET_EVERY: Duration = Duration::from_secs(1);

/// How much is too much.
#[derive(Debug, Clone, Args)]
pub struct RateSettings {
    /// Requests a user may make per second and, after a colon, at once (twice as many unless given); `off` for any
    /// number. A user is who a verified token names. 20:100 with AUTH=jwt, off with AUTH=open, where anybody can be
    /// anybody.
    #[arg(long = "rate-limit-per-user", env = "RATE_LIMIT_PER_USER", value_name = "PER_SECOND[:BURST]|off")]
    pub per_user: Option<Rate>,
    /// The same for an address, which many users may share (an IPv6 /64 is one): the peer's, or the last of
    /// X-Forwarded-For with --trust-forwarded. 100:500 with AUTH=jwt, off with AUTH=open.
    #[arg(
        long = "rate-limit-per-address",
        env = "RATE_LIMIT_PER_ADDRESS",
        value_name = "PER_SECOND[:BURST]|off"
    )]
    pub per_address: Option<Rate>,
    /// Networks whose addresses have no limit: those of the services, which ask each other through the gateway on behalf
    /// of many.
    #[arg(
        long = "rate-limit-exempt",
        env = "RATE_LIMIT_EXEMPT",
        value_delimiter = ',',
        default_value = "127.0.0.0/8,::1/128"
    )]
    pub exempt: Vec<IpNet>,
}

/// So many, and no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// Any number.
    Off,
    /// A steady rate, and how far it may be exceeded for a moment.
    PerSecond(NonZeroU32, NonZeroU32),
}

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let (rate, burst) = text.split_once(':').map_or((text, None), |(rate, burst)| (rate, Some(burst)));
        let number = |text: &str| text.parse::<NonZeroU32>().map_err(|_| "expected 20, 20:40 or off");
        let rate = number(rate)?;
        Ok(Self::PerSecond(rate, burst.map_or(Ok(rate.saturating_add(rate.get())), number)?))
    }
}

/// What holds unless something is set, where tokens are verified: far more than a person's app asks, and the bursts of a
/// page that is opened. With `AUTH=open` anybody can be anybody, and there is no limit unless one is set.
const PER_USER: &str = "20:100";
const PER_ADDRESS: &str = "100:500";

/// The buckets.
pub struct RateLimits {
    addresses: Option<Buckets<IpAddr>>,
    users: Option<Buckets<String>>,
    verifier: Verifier,
    exempt: Vec<IpNet>,
    trust_forwarded: bool,
}

impl RateLimits {
    /// Full buckets, and a verifier that says whose they are.
    pub fn new(settings: &RateSettings, trust_forwarded: bool, mode: AuthMode, verifier: Verifier) -> Self {
        let unless_set = |rate: Option<Rate>, default: &str| match (rate, mode) {
            (None, AuthMode::Open) => Some(Rate::Off),
            (None, AuthMode::Jwt) => default.parse().ok(),
            (set, _) => set,
        };
        Self {
            addresses: unless_set(settings.per_address, PER_ADDRESS).and_then(Buckets::new),
            users: unless_set(settings.per_user, PER_USER).and_then(Buckets::new),
            verifier,
            exempt: settings.exempt.clone(),
            trust_forwarded,
        }
    }

    fn check(&self, request: &Request) -> Result<(), Problem> {
        let address = self.addresses.as_ref().and_then(|buckets| {
            let address = network(self.address(request)?);
            buckets.take(address).err()
        });
        let wait = address.or_else(|| {
            let buckets = self.users.as_ref()?;
            buckets.take(self.verifier.user_of(request.headers())?.0).err()
        });
        wait.map_or(Ok(()), |wait| {
            let seconds = wait.as_millis().div_ceil(1000).clamp(1, 3600) as u32;
            let detail = "These are too many requests. Please slow down and try again.";
            Err(Problem::too_many_requests(detail, seconds))
        })
    }

    /// Whose request it is, unless it is one of ours.
    fn address(&self, request: &Request) -> Option<IpAddr> {
        if self.trust_forwarded {
            // The last is what the ingress itself has seen; those before it are the client's word. Without any it did not
            // come through the ingress, so it is a service's.
            let last = request.headers().get_all(FORWARDED_FOR).iter().next_back()?.to_str().ok()?;
            return last.rsplit(',').next()?.trim().parse().ok();
        }
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>()?.0.ip().to_canonical();
        (!self.exempt.iter().any(|network| network.contains(&peer))).then_some(peer)
    }
}

/// Layer: who asks too often is told when to come back.
pub async fn limit(
    State(limits): State<Arc<RateLimits>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    limits.check(&request)?;
    Ok(next.run(request).await)
}

/// What one customer of a provider has is a /64: it has 2^64 addresses to ask from.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
    }
}

/// A bucket for each key that has asked lately.
struct Buckets<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
    forgot: Mutex<Instant>,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    fn new(rate: Rate) -> Option<Self> {
        let Rate::PerSecond(rate, burst) = rate else { return None };
        let limiter = DefaultKeyedRateLimiter::keyed(Quota::per_second(rate).allow_burst(burst));
        Some(Self { limiter, clock: DefaultClock::default(), forgot: Mutex::new(Instant::now()) })
    }

    /// One token, or how long it takes until there is one.
    fn take(&self, key: K) -> Result<(), Duration> {
        // Whoever finds it locked leaves it to the other.
        if let Ok(mut forgot) = self.forgot.try_lock()
            && forgot.elapsed() > FORGET_EVERY
        {
            *forgot = Instant::now();
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        self.limiter.check_key(&key).map_err(|not_until| not_until.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_perhaps_a_burst_or_off() {
        let rate = |rate, burst| {
            Ok(Rate::PerSecond(NonZeroU32::new(rate).unwrap(), NonZeroU32::new(burst).unwrap()))
        };
        assert_eq!("20".parse(), rate(20, 40));
        assert_eq!("20:100".parse(), rate(20, 100));
        assert_eq!("off".parse(), Ok(Rate::Off));
        for bad in ["", "0", "20:0", "-1", "20:", ":20", "1:2:3", "many"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn buckets_that_are_full_again_are_forgotten() {
        let buckets = Buckets::new("1000:1".parse().unwrap()).unwrap();
        for key in 0..10_000 {
            buckets.take(key).unwrap();
        }
        // Nothing has waited for it to fill: it is the next second's first request that forgets.
        *buckets.forgot.lock().unwrap() -= FORGET_EVERY * 2;
        std::thread::sleep(Duration::from_millis(2));
        buckets.take(10_000).unwrap();
        assert!(buckets.limiter.len() < 10, "{}", buckets.limiter.len());
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_are_one() {
        let [one, other, stranger] = ["2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1"]
            .map(|text| network(text.parse().unwrap()));
        assert_eq!(one, other);
        assert_ne!(one, stranger);
    }
}
