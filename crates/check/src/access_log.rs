// SPDX-License-Identifier: GPL-2.0-only
//! The accesses to named objects, in order: what semantic points and windows are read from.

use std::fmt::Write as _;

use machine::{AccessKind, ObjectAccess, Objects, Observer, Ordinal, View, access_word};

/// Records accesses outside NMI handlers, and those of handlers apart, by CPU: boundaries of
/// different CPUs have no order of their own.
#[derive(Debug, Clone, Default)]
pub struct AccessLog {
    cpus: Vec<CpuLog>,
}

/// The accesses of one CPU.
#[derive(Debug, Clone, Default)]
pub struct CpuLog {
    /// By interrupted code.
    pub base: Vec<ObjectAccess>,
    /// By NMI handlers.
    pub nmi: Vec<ObjectAccess>,
    /// The part of each step spent in the kernel: first and last boundary.
    pub kernel: Vec<Option<(Ordinal, Ordinal)>>,
    /// Where it has entered the kernel without having left it since: a program that has ended.
    pub stays: Option<Ordinal>,
}

/// The log of a CPU that has done nothing.
static NOTHING: CpuLog = CpuLog {
    base: Vec::new(),
    nmi: Vec::new(),
    kernel: Vec::new(),
    stays: None,
};

impl AccessLog {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The accesses of `cpu`.
    #[must_use]
    pub fn cpu(&self, cpu: usize) -> &CpuLog {
        self.cpus.get(cpu).unwrap_or(&NOTHING)
    }

    fn of(&mut self, cpu: usize) -> &mut CpuLog {
        if self.cpus.len() <= cpu {
            self.cpus.resize_with(cpu + 1, CpuLog::default);
        }
        &mut self.cpus[cpu]
    }

    /// A listing in the notation of the sharing reference: `R A.dup_master`, `W A.count`,
    /// `RMW A.count`; one access a line.
    #[must_use]
    pub fn listing(accesses: &[ObjectAccess], objects: &Objects) -> String {
        let mut out = String::new();
        let mut rest = accesses;
        while let Some((first, tail)) = rest.split_first() {
            let merged = tail.first().is_some_and(|next| {
                first.kind == AccessKind::Read
                    && next.kind == AccessKind::Write
                    && (first.rip, first.offset, first.object, first.ordinal)
                        == (next.rip, next.offset, next.object, next.ordinal)
            });
            let word = match (merged, first.kind) {
                (true, _) => "RMW",
                (false, AccessKind::Read) => "R",
                (false, AccessKind::Write) => "W",
            };
            let _ = writeln!(
                out,
                "{word} {}.{}",
                objects.get(first.object).name,
                objects.field_name(first.offset)
            );
            rest = if merged { &tail[1..] } else { tail };
        }
        out
    }

    fn enter_kernel(&mut self, view: &View<'_>) {
        self.of(view.cpu).stays = Some(view.core.ordinal);
        if let Some(step) = view.core.step {
            let kernel = &mut self.of(view.cpu).kernel;
            if kernel.len() <= step {
                kernel.resize(step + 1, None);
            }
            let now = view.core.ordinal;
            kernel[step].get_or_insert((now, now));
        }
    }
}

impl Observer for AccessLog {
    fn access(&mut self, view: &View<'_>, access: &ObjectAccess) {
        let log = self.of(view.cpu);
        if view.core.nmi.is_some() {
            log.nmi.push(*access);
        } else {
            log.base.push(*access);
        }
    }

    fn syscall(&mut self, view: &View<'_>) {
        self.enter_kernel(view);
    }

    fn leave_user(&mut self, view: &View<'_>) {
        // A tick enters the kernel by an interrupt.
        if view.core.nmi.is_none() {
            self.enter_kernel(view);
        }
    }

    fn return_to_user(&mut self, view: &View<'_>) {
        self.of(view.cpu).stays = None;
        if let Some(step) = view.core.step
            && let Some(Some((_, last))) = self.of(view.cpu).kernel.get_mut(step)
        {
            // The boundary before the returning instruction is the last inside the kernel.
            *last = view.core.ordinal - 1;
        }
    }
}

/// An access in words: `init_dup_master: write A.master_count`.
#[must_use]
pub fn describe(view_objects: &Objects, row: &str, access: &ObjectAccess) -> String {
    format!(
        "{row}: {} {}.{}",
        access_word(access.kind),
        view_objects.get(access.object).name,
        view_objects.field_name(access.offset)
    )
}
