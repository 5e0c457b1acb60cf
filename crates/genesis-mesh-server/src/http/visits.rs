//! Visits: how many connections each address has.
//!
//! Owns: the counts, and the bound on each.
//! Never: closes anything: a connection that lives holds its visit, one that ends gives it back.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The part of an IPv6 address that a customer of a network gets; the rest is theirs to vary.
const NETWORK_MASK: u128 = !0 << 64;

/// The connections of all addresses.
#[derive(Debug, Default)]
pub(super) struct Visits {
    counts: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection of an address; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Visit {
    visits: Arc<Visits>,
    address: IpAddr,
}

impl Visits {
    /// One more connection from `address`, or `None` if it has `max` already.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr, max: usize) -> Option<Visit> {
        let address = counted(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= max {
            // Also a bound of 0 leaves nothing behind.
            if *count == 0 {
                counts.remove(&address);
            }
            return None;
        }
        *count += 1;
        Some(Visit { visits: Arc::clone(self), address })
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut counts = self.visits.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// The address that counts for `address`: an IPv6 network of 64 bits is one client.
fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NETWORK_MASK)),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_bound_and_gets_room_back() {
        let visits = Arc::new(Visits::default());
        let enter = |address: &str| visits.enter(address.parse().unwrap(), 2);
        let (first, second) = (enter("10.0.0.1").unwrap(), enter("::ffff:10.0.0.1").unwrap());
        assert!(enter("10.0.0.1").is_none(), "the same address in both spellings");
        assert!(enter("10.0.0.2").is_some());
        drop(first);
        drop((enter("10.0.0.1").unwrap(), second));
        assert!(visits.counts.lock().unwrap().is_empty(), "nothing stays of addresses that left");
        assert!(visits.enter("10.0.0.1".parse().unwrap(), 0).is_none());
        assert!(visits.counts.lock().unwrap().is_empty());
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let visits = Arc::new(Visits::default());
        let enter = |address: &str| visits.enter(address.parse().unwrap(), 1);
        let _visit = enter("2001:db8::1").unwrap();
        assert!(enter("2001:db8::ffff:2").is_none());
        assert!(enter("2001:db8:0:1::1").is_some());
    }
}
