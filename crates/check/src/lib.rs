// SPDX-License-Identifier: GPL-2.0-only
//! The oracles: they watch a machine, report violations, and never change it.
//!
//! Each oracle is a file of its own; [`Oracles`] runs them side by side. What an event ought to
//! read is kept by [`shadow`], from the retired stream and the history of system calls, never from
//! the bank or from arithmetic over the scenario. What made the difference is named by [`cause`].
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod aba;
pub mod access_log;
mod armed;
pub mod cause;
mod claims;
mod count;
mod exchange;
mod family;
mod freed;
mod ideal;
mod monotony;
mod oracles;
mod ownership;
mod progress;
mod schedule;
pub mod shadow;
mod sharing;
mod shown;
mod sight;
pub mod state;
mod table;
mod times;
mod user_page;
mod violation;
mod warn;

pub use armed::Armed;
pub use oracles::Oracles;
pub use sight::Sight;
pub use violation::{Moment, Oracle, Violation};
