// SPDX-License-Identifier: GPL-2.0-only
//! A machine that has run other programs before runs the next one as a new machine does, to the
//! bit.

mod common;

use common::{Shipped, scenario_files};
use explore::{Rig, execute};
use machine::{Schedule, Until};

#[test]
fn a_program_after_others_runs_as_on_a_new_machine() {
    let mut rigs: Vec<Option<Rig>> = vec![None, None, None, None];
    let mut reused = 0;
    for path in scenario_files().into_iter().step_by(4) {
        let shipped = Shipped::load(&path);
        if !shipped.resolved.schedulers.contains_key("v10") {
            continue;
        }
        let setup = shipped.prepare("v10").setup;
        let new = execute(&setup, Schedule::empty()).unwrap();
        let slot = &mut rigs[setup.programs.len() - 1];
        match slot {
            Some(rig) => {
                reused += 1;
                rig.load(&setup).unwrap();
            }
            None => *slot = Some(Rig::new(&setup).unwrap()),
        }
        let rig = slot.as_mut().unwrap();
        for _ in 0..2 {
            let again = rig.run(Schedule::empty());
            assert_eq!(again.violations, new.violations, "{}", shipped.name);
        }
        let machine = rig.reset();
        machine.run(
            &mut Schedule::empty(),
            &mut (),
            Until::End { limit: 100_000_000 },
        );
        assert_eq!(machine.digest(), new.digest, "{}", shipped.name);
    }
    assert!(reused > 10, "{reused}");
}
