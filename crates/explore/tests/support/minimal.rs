// SPDX-License-Identifier: GPL-2.0-only
//! What a shrunk scenario promises; shared by the tests of shrinking and of fuzzing.

use explore::{Shrink, Signature};
use scenario::{Scenario, write_scenario};

/// `scenario` shows the finding, and without any one element it does not.
pub(crate) fn assert_minimal(shrink: &Shrink<'_>, wanted: &Signature, scenario: &Scenario) {
    let text = write_scenario(scenario);
    assert!(shrink.shows(wanted, scenario).unwrap(), "{wanted}:\n{text}");
    for smaller in Shrink::smaller(scenario) {
        assert!(
            !shrink.shows(wanted, &smaller).unwrap(),
            "{wanted}:\n{text}\ncan be made smaller:\n{}",
            write_scenario(&smaller)
        );
    }
}
