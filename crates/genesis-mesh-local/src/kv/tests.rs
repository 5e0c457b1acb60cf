//! Pages are never lost, never given twice, and prefixes are found again.

use super::*;
use proptest::prelude::*;

#[test]
fn a_prefix_is_found_again_up_to_the_last_token() {
    let mut cache = PageCache::new(8, 4);
    let tokens: Vec<u32> = (0..50).collect();
    let (mut pages, reused) = cache.take_prefix(&tokens);
    assert_eq!(reused, 0);
    assert!(cache.grow(&mut pages, 50));
    cache.register(&mut pages, &tokens, 50);
    let first = pages.ids().to_vec();
    cache.release(&mut pages);
    assert_eq!(cache.pages_in_use(), 0);
    // 50 tokens fill three pages; of 48 tokens the last one must be computed, so two pages serve.
    assert_eq!(cache.take_prefix(&tokens).1, 48);
    let (again, reused) = cache.take_prefix(&tokens[..48]);
    assert_eq!((again.ids(), reused), (&first[..2], 32));
    let other: Vec<u32> = (0..16).chain(99..133).collect();
    assert_eq!(cache.take_prefix(&other).1, 16);
}

#[test]
fn growing_beyond_the_cache_changes_nothing() {
    let mut cache = PageCache::new(4, 4);
    let (mut one, _) = cache.take_prefix(&[1]);
    assert!(cache.grow(&mut one, 40));
    let (mut two, _) = cache.take_prefix(&[2]);
    assert!(!cache.grow(&mut two, 32));
    assert_eq!((two.ids().len(), cache.pages_in_use()), (0, 3));
    assert!(cache.grow(&mut two, 16));
}

#[test]
fn a_forgotten_page_serves_no_prefix_even_after_its_memory_is_used_again() {
    let mut cache = PageCache::new(2, 4);
    let tokens: Vec<u32> = (0..33).collect();
    let (mut pages, _) = cache.take_prefix(&tokens);
    assert!(cache.grow(&mut pages, 32));
    cache.register(&mut pages, &tokens, 32);
    cache.release(&mut pages);
    let other: Vec<u32> = (100..133).collect();
    let (mut pages, reused) = cache.take_prefix(&other);
    assert_eq!(reused, 0);
    assert!(cache.grow(&mut pages, 32));
    cache.register(&mut pages, &other, 32);
    assert_eq!(cache.take_prefix(&tokens).1, 0);
    assert_eq!(cache.take_prefix(&other).1, 32);
}

proptest! {
    #[test]
    fn no_page_is_lost_or_in_two_hands_unless_shared(script in prop::collection::vec((0usize..5, 0u32..3, 1usize..60), 1..80)) {
        let mut cache = PageCache::new(12, 1);
        let mut live: Vec<(Pages, Vec<u32>)> = Vec::new();
        for (action, kind, len) in script {
            if action == 0 && !live.is_empty() {
                let (mut pages, _) = live.swap_remove(len % live.len());
                cache.release(&mut pages);
                continue;
            }
            let tokens: Vec<u32> = (0..len as u32).map(|i| i / 16 * kind).collect();
            let (mut pages, reused) = cache.take_prefix(&tokens);
            prop_assert!(reused < len);
            if cache.grow(&mut pages, len) {
                cache.register(&mut pages, &tokens, len);
                live.push((pages, tokens));
            } else {
                cache.release(&mut pages);
            }
            // The same page in two sequences stands at the same place and holds the same tokens.
            for (a, a_tokens) in &live {
                for (b, b_tokens) in &live {
                    for (i, id) in a.ids().iter().enumerate() {
                        if let Some(j) = b.ids().iter().position(|other| other == id) {
                            prop_assert_eq!(i, j);
                            let end = (i + 1) * PAGE_POSITIONS;
                            prop_assert!(std::ptr::eq(a, b) || a_tokens.get(..end) == b_tokens.get(..end));
                        }
                    }
                }
            }
        }
        for (mut pages, _) in live {
            cache.release(&mut pages);
        }
        prop_assert_eq!(cache.pages_in_use(), 0);
        let (mut all, _) = cache.take_prefix(&[]);
        prop_assert!(cache.grow(&mut all, 12 * PAGE_POSITIONS));
    }
}
