//! How much a client may ask for: connections, requests a second, time.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    time::{Duration, Instant},
};

/// The limits of a server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections that are open at once.
    pub connections: usize,
    /// Requests a second of one address; twice as many may come at once. Through a tunnel all clients have one address.
    pub rate: f64,
    /// In what time the head of a request must have come.
    pub head: Duration,
    /// How long a client may take nothing of what is sent.
    pub write: Duration,
    /// How long a connection lives; what was not sent by then is asked for again by `Range`.
    pub connection: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 32,
            rate: 100.0,
            head: Duration::from_secs(10),
            write: Duration::from_secs(20),
            connection: Duration::from_secs(600),
        }
    }
}

/// How many addresses are remembered.
const PEERS: usize = 1024;

/// Requests that each address may still make: a bucket of two seconds' worth, filled at the rate.
#[derive(Debug)]
pub(super) struct Rate {
    rate: f64,
    left: BTreeMap<IpAddr, (f64, Instant)>,
}

impl Rate {
    pub(super) fn new(rate: f64) -> Self {
        Self { rate: rate.max(0.1), left: BTreeMap::new() }
    }

    /// Takes one request of `peer`; the seconds to wait where none is left.
    pub(super) fn take(&mut self, peer: IpAddr, now: Instant) -> Result<(), u64> {
        let (rate, full) = (self.rate, (2.0 * self.rate).max(1.0));
        let filled = |(left, then): (f64, Instant)| full.min(left + rate * now.duration_since(then).as_secs_f64());
        if self.left.len() >= PEERS && !self.left.contains_key(&peer) {
            self.left.retain(|_, bucket| filled(*bucket) < full);
            if self.left.len() >= PEERS {
                return Err(1);
            }
        }
        let left = self.left.get(&peer).map_or(full, |bucket| filled(*bucket));
        let taken = if left >= 1.0 { left - 1.0 } else { left };
        self.left.insert(peer, (taken, now));
        if left >= 1.0 { Ok(()) } else { Err((((1.0 - left) / rate).ceil() as u64).max(1)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_two_seconds_worth_and_then_its_rate() {
        let (mut rate, start) = (Rate::new(5.0), Instant::now());
        let (a, b) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let taken = |rate: &mut Rate, peer, after: f64| {
            (0..100).filter(|_| rate.take(peer, start + Duration::from_secs_f64(after)).is_ok()).count()
        };
        assert_eq!(taken(&mut rate, a, 0.0), 10);
        assert_eq!(rate.take(a, start), Err(1));
        assert_eq!(taken(&mut rate, b, 0.0), 10);
        assert_eq!(taken(&mut rate, a, 1.01), 5);
        assert_eq!(taken(&mut rate, a, 1000.0), 10);
    }

    #[test]
    fn addresses_are_remembered_in_bounded_memory() {
        let (mut rate, start) = (Rate::new(5.0), Instant::now());
        for i in 0..5000_u32 {
            rate.take(IpAddr::from(i.to_be_bytes()), start).ok();
        }
        assert!(rate.left.len() <= PEERS);
        // They are forgotten once they have nothing to be forgiven.
        assert!(rate.take(IpAddr::from([9, 9, 9, 9]), start + Duration::from_secs(10)).is_ok());
        assert_eq!(rate.left.len(), 1);
    }
}
