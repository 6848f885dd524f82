// SPDX-License-Identifier: GPL-2.0-only
//! The bank's rules, one test each, and a property test against a naive model.

mod amd;
mod bench;
mod config;
mod counting;
mod freeze;
mod injector;
mod msrs;
mod overflow;
mod property;
mod reference;
