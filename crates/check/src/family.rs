// SPDX-License-Identifier: GPL-2.0-only
//! Which task runs where, and whose events are whose: the history of switches, forks and exits, as
//! the system calls tell it.
//!
//! An opened event and the children it was inherited to are a family. Contexts of clones change
//! places in a switch, so that any member may count for any task of the family; what counts is that
//! the task that runs belongs to it.

use std::collections::{BTreeMap, BTreeSet};

use abi::syscall;
use machine::{ObjectId, View};

/// The tasks of each family, and who runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Families {
    /// Number of the task that runs, by CPU; absent for 0, the idle task.
    current: BTreeMap<usize, u64>,
    /// By the opened event: the tasks that it counts, `None` for an event of a CPU.
    tasks: BTreeMap<ObjectId, Option<BTreeSet<(u64, usize)>>>,
}

/// What is part of `task`'s identity: idle tasks of different CPUs have one number.
fn identity(pid: u64, cpu: usize) -> (u64, usize) {
    (pid, if pid == 0 { cpu } else { 0 })
}

impl Families {
    /// An event was opened: `pid` is perf_event_open's.
    pub(crate) fn opened(&mut self, cpu: usize, root: ObjectId, pid: u64) {
        let tasks = match pid as i32 {
            -1 => None,
            0 => Some(self.running(cpu)),
            pid => Some(identity(u64::from(pid.cast_unsigned()), cpu)),
        };
        self.tasks
            .insert(root, tasks.map(|task| BTreeSet::from([task])));
    }

    /// The task with this number has inherited from `root`.
    pub(crate) fn inherited(&mut self, root: ObjectId, pid: u64) {
        if let Some(Some(tasks)) = self.tasks.get_mut(&root) {
            tasks.insert((pid, 0));
        }
    }

    /// A system call has returned without an error.
    pub(crate) fn returned(&mut self, cpu: usize, number: u64, pid: u64) {
        match number {
            syscall::SWITCH_TO => {
                self.current.insert(cpu, pid);
            }
            syscall::EXIT_TASK => {
                self.current.remove(&cpu);
            }
            _ => {}
        }
    }

    fn running(&self, cpu: usize) -> (u64, usize) {
        identity(self.current.get(&cpu).copied().unwrap_or(0), cpu)
    }

    /// Whether an event of this family is to count what this CPU does now.
    pub(crate) fn counts(&self, cpu: usize, root: ObjectId) -> bool {
        match self.tasks.get(&root) {
            Some(Some(tasks)) => tasks.contains(&self.running(cpu)),
            _ => true,
        }
    }

    /// The event belongs to a CPU, not to a task.
    pub(crate) fn of_cpu(&self, root: ObjectId) -> bool {
        matches!(self.tasks.get(&root), Some(None))
    }

    /// Whether the member belongs to the task that runs on `cpu` now, by the context it is in.
    pub(crate) fn is_current(&self, view: &View<'_>, member: ObjectId, cpu: usize) -> bool {
        let task = task_of(view, member).map(|(pid, cpu)| identity(pid, cpu));
        task == Some(self.running(cpu))
    }

    /// Whether the member belongs to a task that runs on some CPU now.
    pub(crate) fn runs(&self, view: &View<'_>, member: ObjectId) -> bool {
        (0..view.cores.len()).any(|cpu| self.is_current(view, member, cpu))
    }
}

/// The number of the task whose context the event is in, and its CPU.
fn task_of(view: &View<'_>, object: ObjectId) -> Option<(u64, usize)> {
    let ctx = view.field(object, "ctx").filter(|&ctx| ctx != 0)?;
    let offset = |layout: &str, field| Some(view.image.layout(layout)?.field(field)?.offset);
    let task = view.mem.read_u64(ctx + offset("PerfEventContext", "task")?);
    let task = task.ok().filter(|&task| task != 0 && task != u64::MAX)?;
    let pid = view.mem.read_u64(task + offset("Task", "pid")?).ok()?;
    let cpu = view.mem.read_u64(task + offset("Task", "cpu")?).ok()?;
    Some((pid & 0xffff_ffff, (cpu & 0xffff_ffff) as usize))
}
