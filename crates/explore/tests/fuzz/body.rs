// SPDX-License-Identifier: GPL-2.0-only
//! One case of a campaign by bytes; shared by the fuzz target and the test.

#[path = "../support/campaign.rs"]
pub(crate) mod campaign;

use std::cell::RefCell;

use explore::{Campaign, Rigs, Strategy};

use campaign::Files;

/// Runs the case that `data` chooses.
///
/// # Panics
/// It shows something that is not known.
pub(crate) fn run(data: &[u8]) {
    thread_local! {
        static CAMPAIGN: (Campaign<'static>, RefCell<Rigs>) = {
            let name = std::env::var("PMUSIM_SCHEDULER").unwrap_or_else(|_| "retry".to_owned());
            let files = Files::of("skylake", &name).expect("they are shipped");
            let terms = Box::leak(Box::new(files)).terms(&[], 0, Strategy::Random);
            (Campaign::new(terms).expect("the guest runs on it"), RefCell::default())
        };
    }
    CAMPAIGN.with(|(campaign, rigs)| {
        let news = campaign.case_of_bytes(&mut rigs.borrow_mut(), data);
        let news = news.expect("machines can be built");
        if let Some((words, scenario)) = news.first() {
            panic!("{words}\n{scenario}");
        }
    });
}
