// SPDX-License-Identifier: GPL-2.0-only
//! Many basic blocks through the timing model, on several workers.

use timing::skylake::bhive::{Prediction, Refusal, from_hex, predict};
use timing::skylake::form::Table;

/// Predicts blocks given as hexadecimal text; the results are in the order of the blocks and do
/// not depend on the number of workers. `go_on` is asked before each block; where it said no, the
/// result is `None`.
pub fn throughput(
    table: &Table,
    blocks: &[&str],
    jobs: usize,
    go_on: impl Fn() -> bool + Sync,
) -> Vec<Option<Result<Prediction, Refusal>>> {
    let jobs = jobs.clamp(1, blocks.len().max(1));
    let one = |hex: &str| go_on().then(|| from_hex(hex).and_then(|bytes| predict(table, &bytes)));
    let parts: Vec<Vec<_>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs)
            .map(|worker| {
                let one = &one;
                scope.spawn(move || {
                    let mine = blocks.iter().skip(worker).step_by(jobs);
                    mine.map(|hex| one(hex)).collect::<Vec<_>>()
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|w| w.join().expect("a worker does not panic"))
            .collect()
    });
    let mut parts: Vec<_> = parts.into_iter().map(Vec::into_iter).collect();
    (0..blocks.len())
        .map(|i| parts[i % jobs].next().expect("one result for each block"))
        .collect()
}
