// SPDX-License-Identifier: GPL-2.0-only
//! Any number of workers finds the same by a sweep: what a boundary shows must not depend on which
//! boundaries its worker has had before.

mod common;

use common::{Shipped, on_all_cores, scenario_files};
use explore::{Progress, Sweep, sweep};
use scenario::NmiSource;

/// Everything that a report of a sweep is made of.
fn told(sweep: &Sweep) -> String {
    let bad = sweep.bad.iter().map(|bad| (bad.ordinal, &bad.causes));
    format!(
        "{:?} {} {} {:?} {:?} {:?}",
        sweep.outcomes,
        sweep.sampled,
        sweep.executions,
        sweep.quiet,
        sweep.failed,
        bad.collect::<Vec<_>>()
    )
}

/// Of a late PMI the place at which its event counted last lies before the boundary, perhaps in what
/// another worker has.
#[test]
fn late_pmis_are_the_same_with_any_number_of_workers() {
    let compared = on_all_cores(&scenario_files(), |path| {
        let shipped = Shipped::load(path);
        let late = shipped.scenario.sweep.as_ref();
        if !late.is_some_and(|sweep| matches!(sweep.source, NmiSource::Late(_))) {
            return 0;
        }
        let schedulers = ["v10", "retry"];
        for scheduler in schedulers {
            let prepared = shipped.prepare(scheduler);
            let with = |jobs| {
                let plan = prepared.plan(jobs).expect("it has a sweep");
                told(&sweep(&prepared.setup, plan, &Progress::default()).unwrap())
            };
            let one = with(1);
            for jobs in [2, 3] {
                assert_eq!(one, with(jobs), "{} under {scheduler}", shipped.name);
            }
        }
        schedulers.len()
    });
    assert!(compared.iter().sum::<usize>() > 20, "{compared:?}");
}
