// SPDX-License-Identifier: GPL-2.0-only
//! The progress line on standard error: boundaries done, rate, findings, time left. Only on a
//! terminal, and nothing of it reaches the results.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use explore::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::context::Context;

/// Time between two looks at the counters.
const PERIOD: Duration = Duration::from_millis(100);

/// Does `work` while the line is drawn; returns also how long it took. Ctrl-C sets the stop flag
/// that `work` is handed.
pub(crate) fn watched<T>(
    context: &Context,
    what: &str,
    work: impl FnOnce(&Progress) -> T,
) -> (T, Duration) {
    let progress = Arc::new(Progress::default());
    context.interrupt.stops(&progress);
    let started = Instant::now();
    if !context.shows_progress() {
        return (work(&progress), started.elapsed());
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let template = "{msg} {bar:30} {pos}/{len} {per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    let finished = AtomicBool::new(false);
    let result = std::thread::scope(|scope| {
        let drawing = scope.spawn(|| {
            while !finished.load(Ordering::Relaxed) {
                draw(&bar, &progress, what);
                std::thread::park_timeout(PERIOD);
            }
        });
        let result = work(&progress);
        finished.store(true, Ordering::Relaxed);
        drawing.thread().unpark();
        result
    });
    bar.finish_and_clear();
    (result, started.elapsed())
}

fn draw(bar: &ProgressBar, progress: &Progress, what: &str) {
    let total = progress.total.load(Ordering::Relaxed);
    if total == 0 {
        return;
    }
    bar.set_length(total);
    bar.set_message(format!(
        "{what}: {} bad",
        progress.bad.load(Ordering::Relaxed)
    ));
    bar.set_position(progress.done.load(Ordering::Relaxed));
}
