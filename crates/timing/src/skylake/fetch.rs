// SPDX-License-Identifier: GPL-2.0-only
//! Where uops come from: the legacy decoders or the uop cache, and when the front end stands still.
//!
//! From the decoders to the uop cache the way leads only behind a taken branch or a restart, back
//! as soon as a window is not held. Behind a mispredicted branch nothing is fetched until the
//! branch has executed and the right target reaches the front end: wrong paths are not simulated.

use super::cache::{CodeCache, LINE_SHIFT};
use super::decode::Decode;
use super::dsb::{Dsb, WINDOW_SHIFT};
use super::events::{Event, Events};
use super::predecode::Predecode;
use super::trace::Feed;

/// Uops of the uop cache a cycle.
const WIDTH: usize = 6;
/// Cycles from the uop cache to the decoders (general literature: 0 to 2).
const TO_DECODERS: u64 = 2;
/// Cycles from the uop cache to the microcode sequencer (uiCA).
const TO_MICROCODE: u32 = 2;
/// Cycles from the execution of a mispredicted branch to the first fetch of the right path: with
/// what the pipeline itself takes, 16 to 20 cycles in all (general literature).
const RESTEER: u64 = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Decoders,
    Dsb,
}

/// Fetch control.
#[derive(Debug, Clone)]
pub struct Fetch {
    from: From,
    hold_until: u64,
    /// The mispredicted branch behind which nothing is known.
    blocked: Option<usize>,
    /// Without: code runs once only, and is in the first-level cache.
    loops: Option<(Dsb, CodeCache)>,
    line: u64,
}

impl Fetch {
    /// With a uop cache and a code cache, or without (`loops`).
    #[must_use]
    pub fn new(loops: bool) -> Self {
        Self {
            from: From::Decoders,
            hold_until: 0,
            blocked: None,
            loops: loops.then(Default::default),
            line: u64::MAX,
        }
    }

    /// The branch that fetch waits for was executed, in cycle `now`.
    pub fn resolve(&mut self, branch: usize, now: u64, events: &mut Events) {
        if self.blocked == Some(branch) {
            self.blocked = None;
            self.hold_until = now + RESTEER;
            events.add(Event::RecoveryCycles, RESTEER);
        }
    }

    /// Does fetch wait for this branch?
    #[must_use]
    pub fn waits_for(&self, branch: usize) -> bool {
        self.blocked == Some(branch)
    }

    /// The pipeline was emptied; fetch begins anew.
    pub fn restart(&mut self, predecode: &mut Predecode) {
        self.from = From::Decoders;
        self.blocked = None;
        predecode.restart();
    }

    /// One cycle of the front end.
    pub fn cycle(
        &mut self,
        now: u64,
        feed: &Feed,
        predecode: &mut Predecode,
        decode: &mut Decode,
        events: &mut Events,
    ) {
        let open = now >= self.hold_until && self.blocked.is_none();
        if !decode.full() && !decode.microcode(now, feed, events) {
            match self.from {
                From::Decoders => {
                    let dsb = self.loops.as_mut().map(|l| &mut l.0);
                    decode.cycle(now, feed, predecode, dsb, events);
                }
                From::Dsb if open => self.stream(now, feed, predecode, decode, events),
                From::Dsb => {}
            }
        }
        if self.from == From::Decoders && open {
            self.predecode(now, feed, predecode, decode, events);
        }
    }

    fn predecode(
        &mut self,
        now: u64,
        feed: &Feed,
        predecode: &mut Predecode,
        decode: &Decode,
        events: &mut Events,
    ) {
        if let Some((dsb, code)) = &mut self.loops
            && predecode.next < feed.pushed
        {
            let at = feed.at(predecode.next).at;
            if predecode.at_start() && dsb.holds(at) {
                if predecode.idle() && !decode.busy() {
                    self.from = From::Dsb;
                }
                return;
            }
            if at >> LINE_SHIFT != self.line {
                self.line = at >> LINE_SHIFT;
                let wait = code.fetch(at);
                if wait > 0 {
                    self.hold_until = now + wait;
                    return;
                }
            }
        }
        let before = predecode.next;
        predecode.cycle(now, feed, events);
        for n in before..predecode.next {
            self.passed(n, now, feed);
        }
    }

    /// Fetch went over instruction `n`.
    fn passed(&mut self, n: usize, now: u64, feed: &Feed) {
        let executed = feed.at(n);
        if executed.mispredicted {
            self.blocked = Some(n);
        } else if executed.bubble > 0 {
            self.hold_until = now + 1 + u64::from(executed.bubble);
        }
    }

    /// A cycle of the uop cache: uops of one window.
    fn stream(
        &mut self,
        now: u64,
        feed: &Feed,
        predecode: &mut Predecode,
        decode: &mut Decode,
        events: &mut Events,
    ) {
        let mut left = WIDTH;
        let mut window = None;
        while predecode.next < feed.pushed {
            let n = predecode.next;
            let executed = feed.at(n);
            let lowered = &feed.code[executed.code as usize];
            let own = executed.at >> WINDOW_SHIFT;
            if window.is_none() {
                let held = self.loops.as_mut().is_some_and(|l| l.0.holds(executed.at));
                if !held {
                    self.from = From::Decoders;
                    self.hold_until = now + TO_DECODERS;
                    events.add(Event::SwitchPenalty, TO_DECODERS);
                    predecode.restart();
                    return;
                }
                window = Some(own);
            }
            let uops = usize::from(lowered.decoded);
            if window != Some(own) || left < WIDTH && (uops > left || lowered.microcode > 0) {
                return;
            }
            let taken = decode.take(now, n, feed, TO_MICROCODE);
            events.add(Event::DsbUops, taken as u64);
            let last = n + usize::from(executed.fused);
            predecode.next = last + 1;
            left = left.saturating_sub(uops);
            self.passed(last, now, feed);
            let ends = feed.at(last).taken || self.blocked.is_some() || lowered.microcode > 0;
            if ends || left == 0 {
                return;
            }
        }
    }
}
