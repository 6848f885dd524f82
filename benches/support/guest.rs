// SPDX-License-Identifier: GPL-2.0-only
//! Shipped scenarios, ready to run.

use abi::totals::{HwEvent, Ring};
use explore::{Prepared, RUN_LIMIT, Setup};
use image::Image;
use machine::{End, Machine, Schedule, Until};
use scenario::{Scheduler, Source, Texts};

/// P4 under the scheduler `name` (`v10`, `delta` or `none`).
pub(crate) fn p4(name: &str) -> Prepared {
    let text = include_str!("../../sim-configs/scenarios/review/p4-init-dup-master.toml");
    prepared(text, name)
}

/// The close of a master with one sharer under the scheduler `name`.
pub(crate) fn remove_dup(name: &str) -> Prepared {
    let text = include_str!("../../sim-configs/scenarios/review/p7-remove-dup-one-sharer.toml");
    prepared(text, name)
}

fn prepared(text: &str, name: &str) -> Prepared {
    let scenario = scenario::parse_scenario(&Source::new("scenario", text)).expect("it is checked");
    let image = Image::guest();
    explore::prepare(&scenario, &skylake(), &scheduler(name), image).expect("it can run")
}

/// The text of the machine that everything here runs on.
pub(crate) const SKYLAKE: &str = include_str!("../../sim-configs/machines/skylake.toml");

/// That machine.
pub(crate) fn skylake() -> scenario::Machine {
    scenario::parse_machine(&Source::new("skylake", SKYLAKE)).expect("it is checked")
}

/// A shipped scheduler (`v10`, `delta`, `none` or `v12`).
pub(crate) fn scheduler(name: &str) -> Scheduler {
    let file = |text: &str| ("file".to_owned(), text.to_owned());
    let mut texts = Texts::default();
    for (name, text) in [
        (
            "none",
            include_str!("../../sim-configs/schedulers/none.toml"),
        ),
        ("v10", include_str!("../../sim-configs/schedulers/v10.toml")),
        (
            "delta",
            include_str!("../../sim-configs/schedulers/delta.toml"),
        ),
        ("v12", include_str!("../../sim-configs/schedulers/v12.toml")),
    ] {
        texts.schedulers.insert(name.to_owned(), file(text));
    }
    scenario::scheduler_by_name(name, &texts).expect("it is checked")
}

/// A machine about to boot; objects are watched only for the oracles.
pub(crate) fn machine(setup: &Setup, oracles: bool) -> Machine {
    let mut machine = setup.machine().expect("it fits");
    if !oracles {
        machine.unwatch_objects();
    }
    machine
}

/// One run without NMI, from reset to the end; the instructions it took.
pub(crate) fn run(setup: &Setup, machine: &mut Machine, oracles: bool) -> u64 {
    let until = Until::End { limit: RUN_LIMIT };
    let mut schedule = Schedule::empty();
    let end = if oracles {
        machine.run(&mut schedule, &mut setup.oracles(), until)
    } else {
        machine.run(&mut schedule, &mut (), until)
    };
    assert!(matches!(end, End::Exited(_)), "{end:?}");
    retired(machine)
}

/// Instructions so far.
pub(crate) fn retired(machine: &Machine) -> u64 {
    let totals = &machine.cores()[0].cpu.totals;
    totals.get(Ring::Kernel, HwEvent::Instructions) + totals.get(Ring::User, HwEvent::Instructions)
}
