// SPDX-License-Identifier: GPL-2.0-only
//! Ctrl-C: the first one asks what runs to stop and to print what it has, the second one ends the
//! process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use explore::Progress;

use crate::exit::Exit;

#[derive(Debug, Default)]
struct State {
    pressed: AtomicBool,
    current: Mutex<Option<Arc<Progress>>>,
}

/// Whether the user wants to stop.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<State>);

impl Interrupt {
    /// Takes over Ctrl-C. Where that is not possible the system's default stays.
    pub(crate) fn install() -> Self {
        let interrupt = Self::default();
        let state = Arc::clone(&interrupt.0);
        let _ = ctrlc::set_handler(move || {
            if state.pressed.swap(true, Ordering::SeqCst) {
                std::process::exit(i32::from(Exit::Interrupted.code()));
            }
            let current = state.current.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(progress) = &*current {
                progress.stop.store(true, Ordering::SeqCst);
            }
        });
        interrupt
    }

    /// Ctrl-C was pressed.
    pub(crate) fn pressed(&self) -> bool {
        self.0.pressed.load(Ordering::SeqCst)
    }

    /// From here on Ctrl-C stops this.
    pub(crate) fn stops(&self, progress: &Arc<Progress>) {
        let mut current = self
            .0
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *current = Some(Arc::clone(progress));
        if self.pressed() {
            progress.stop.store(true, Ordering::SeqCst);
        }
    }
}
