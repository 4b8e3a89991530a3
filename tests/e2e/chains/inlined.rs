// SPDX-License-Identifier: Apache-2.0
// inlined.c in Rust: main, enter, which has inlined outer, which has inlined inner, which has inlined burn.
use std::time::{Duration, Instant};

#[inline(always)]
fn burn(time: Duration) -> u64 {
    let start = Instant::now();
    let mut value = 1u64;
    while start.elapsed() < time {
        for _ in 0..200_000 {
            value = std::hint::black_box(value).wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        }
    }
    value
}

#[inline(always)]
fn inner(time: Duration) -> u64 {
    burn(time) // from inner
}

#[inline(always)]
fn outer(time: Duration) -> u64 {
    inner(time) // from outer
}

#[inline(never)]
fn enter(time: Duration) -> u64 {
    std::hint::black_box(outer(time)) // from enter
}

fn main() {
    let milliseconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1000);
    std::hint::black_box(enter(Duration::from_millis(milliseconds))); // from main
}
