// SPDX-License-Identifier: GPL-2.0-only
//! System calls that have not returned, and what they say about who is meant to count.

use std::collections::BTreeSet;

use abi::syscall;
use machine::{ObjectId, View};

use super::{OnCpu, RAX, RDI, RDX, RSI, Shadow};
use crate::ideal::Ideal;

/// A system call that has not returned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) number: u64,
    pub(super) args: [u64; 3],
    /// The event behind the descriptor, whose file the call has taken: before that and behind it the
    /// descriptor may be another one's.
    pub(super) target: Option<ObjectId>,
}

impl Shadow {
    /// The events that calls which have not returned may have opened or enabled by now.
    pub(crate) fn enabling(&self) -> BTreeSet<ObjectId> {
        let by_cpu = |on: &OnCpu| match on.call {
            Some(call) if call.number == syscall::EXEC => self.which(|ideal| ideal.on_exec),
            Some(call) if matches!(call.args[1], syscall::IOC_ENABLE | syscall::IOC_REFRESH) => {
                self.meant_by(on)
            }
            _ => Vec::new(),
        };
        let calls = self.cpus.iter().flat_map(by_cpu);
        let opening = self.which(|ideal| ideal.enabled && ideal.opening.is_some());
        calls.chain(opening).collect()
    }

    pub(super) fn which(&self, like: impl Fn(&Ideal) -> bool) -> Vec<ObjectId> {
        let like = |(&id, ideal): (&ObjectId, &Ideal)| like(ideal).then_some(id);
        self.events.iter().filter_map(like).collect()
    }

    /// What a call that has returned without an error says about who is meant to count.
    pub(super) fn intend(&mut self, view: &View<'_>, call: Call) {
        self.families.returned(view.cpu, call.number, call.args[0]);
        match call.number {
            syscall::EXEC => {
                for (&id, ideal) in &mut self.events {
                    if ideal.on_exec && self.families.is_current(view, id, view.cpu) {
                        ideal.on_exec = false;
                        ideal.enabled = true;
                    }
                }
            }
            syscall::OFFLINE => {
                for (&id, ideal) in &mut self.events {
                    let cpu = view.field(id, "cpu");
                    ideal.gone |= self.families.of_cpu(id) && cpu == Some(view.cpu as u64);
                }
            }
            _ => {}
        }
        let Some(target) = call.target else {
            return;
        };
        match call.number {
            syscall::IOCTL => {
                let members = self.meant_by(&self.cpus[view.cpu]);
                for id in members {
                    let entry = self.cpus[view.cpu].entry.get(&id).copied();
                    let resets = resets(call.args[1], call.args[2]);
                    if resets {
                        self.begin_anew(id);
                    }
                    let Some(ideal) = self.events.get_mut(&id) else {
                        continue;
                    };
                    match call.args[1] {
                        syscall::IOC_ENABLE | syscall::IOC_REFRESH => ideal.enabled = true,
                        syscall::IOC_DISABLE | syscall::IOC_PAUSE => ideal.enabled = false,
                        _ => {}
                    }
                    if resets {
                        ideal.rebase(view, entry);
                    }
                }
            }
            // A call of another CPU has its file still: it goes where that one returns.
            syscall::CLOSE if is_held(view, target) => {}
            syscall::CLOSE => {
                self.events.remove(&target);
                self.events.retain(|_, ideal| ideal.parent != Some(target));
                let alive: BTreeSet<ObjectId> = self.events.keys().copied().collect();
                for ideal in self.events.values_mut() {
                    ideal.leader = ideal.leader.filter(|leader| alive.contains(leader));
                }
            }
            _ => {}
        }
    }

    /// A reset of this event is over: what other CPUs knew of it when they entered the kernel is more
    /// than what may be read from here on.
    fn begin_anew(&mut self, id: ObjectId) {
        for cpu in &mut self.cpus {
            cpu.entry.entry(id).and_modify(|entry| *entry = 0);
        }
    }

    /// Whether an event that is freed here goes with a call that has held its file, not with its close
    /// or its task.
    pub(crate) fn held_file(&self, view: &View<'_>) -> bool {
        let call = self.cpus[view.cpu].call;
        call.is_some_and(|call| {
            matches!(
                call.number,
                syscall::PERF_EVENT_OPEN | syscall::IOCTL | syscall::READ
            )
        })
    }

    /// The events that the ioctl of a CPU is about: with all children, but for a pause, which leaves
    /// those alone.
    pub(super) fn meant_by(&self, on: &OnCpu) -> Vec<ObjectId> {
        let Some(Call {
            number: syscall::IOCTL,
            args: [_, request, arg],
            target: Some(target),
        }) = on.call
        else {
            return Vec::new();
        };
        let whole = arg & syscall::IOC_FLAG_GROUP != 0;
        let mut list = match request {
            syscall::IOC_PAUSE => return vec![target],
            syscall::IOC_ENABLE | syscall::IOC_DISABLE | syscall::IOC_RESET if whole => {
                on.group.clone().unwrap_or_else(|| self.group_of(target))
            }
            _ => vec![target],
        };
        let of_them = |ideal: &Ideal| ideal.parent.is_some_and(|parent| list.contains(&parent));
        let children = self.which(of_them);
        list.extend(children);
        list
    }

    /// The call of this CPU takes a `child_mutex`: it holds that of the context, so that its group is
    /// the one of now, whoever closes the leader before it returns. A member that is being opened is
    /// none yet where it has no context: to be installed takes that mutex too.
    pub(super) fn fix_group(&mut self, view: &View<'_>) {
        let on = &self.cpus[view.cpu];
        if on.group.is_none()
            && let Some(call) = on.call
            && call.number == syscall::IOCTL
            && let Some(target) = call.target
        {
            let mut group = self.group_of(target);
            group.retain(|&id| view.field(id, "ctx") != Some(0));
            self.cpus[view.cpu].group = Some(group);
        }
    }

    /// The leader of `target` and all siblings.
    fn group_of(&self, target: ObjectId) -> Vec<ObjectId> {
        let leader = self
            .events
            .get(&target)
            .and_then(|ideal| ideal.leader)
            .unwrap_or(target);
        self.events
            .iter()
            .filter(|&(&id, ideal)| id == leader || ideal.leader == Some(leader))
            .map(|(&id, _)| id)
            .collect()
    }
}

impl Call {
    /// The call that begins here.
    pub(super) fn of(view: &View<'_>) -> Self {
        let regs = &view.core.cpu.regs;
        Self {
            number: regs[RAX],
            args: [regs[RDI], regs[RSI], regs[RDX]],
            target: view.objects.by_fd(regs[RDI]),
        }
    }

    /// Whether it resets an event.
    pub(super) fn resets(self) -> bool {
        self.number == syscall::IOCTL && resets(self.args[1], self.args[2])
    }
}

/// Whether an ioctl with this argument sets a count to 0.
fn resets(request: u64, arg: u64) -> bool {
    request == syscall::IOC_RESET || request == syscall::IOC_PAUSE && arg != 0
}

/// Whether somebody has the file of an event whose descriptor is closed: a call of another CPU.
fn is_held(view: &View<'_>, target: ObjectId) -> bool {
    let count = view.field(target, "file_count");
    !view.objects.get(target).dead && count.is_some_and(|count| count != 0)
}
