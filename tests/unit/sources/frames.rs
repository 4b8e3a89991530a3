// SPDX-License-Identifier: Apache-2.0
// The same in Rust, whose iterators are inlined many levels deep.
use std::collections::HashMap;

fn work(count: u64) -> u64 {
    let mut groups: HashMap<u64, Vec<u64>> = HashMap::new();
    for i in 0..count {
        groups.entry(i % 31).or_default().push(i.wrapping_mul(2654435761));
    }
    groups
        .values()
        .map(|group| {
            let mut sorted = group.clone();
            sorted.sort_unstable();
            sorted.iter().rev().fold(0u64, |a, b| a.rotate_left(3) ^ b)
        })
        .sum()
}

fn main() {
    let count = std::env::args().count() as u64 * 1000;
    println!("{}", work(count));
}
