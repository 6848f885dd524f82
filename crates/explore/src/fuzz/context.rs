// SPDX-License-Identifier: GPL-2.0-only
//! In which context an event of a program is: only events of one context share a counter, and only
//! those of the CPU and of its task can be read there with interrupts off.

use scenario::{Event, Op, Step, SwitchTarget, TaskTarget};

/// The task that a CPU runs before the step with number `at` of its program, if any.
pub(crate) fn current_at(steps: &[Step], at: usize) -> Option<&str> {
    let before = steps.iter().take(at).rev();
    let mut switches = before.filter_map(|step| match &step.op {
        Op::Switch(SwitchTarget::Task(task)) => Some(Some(task.as_str())),
        Op::Switch(SwitchTarget::Idle) | Op::ExitTask => Some(None),
        _ => None,
    });
    switches.next().flatten()
}

/// The task that an event counts which is opened while `current` runs; none for a CPU's.
pub(crate) fn task_of<'a>(event: &'a Event, current: Option<&'a str>) -> Option<&'a str> {
    match &event.task {
        TaskTarget::Cpu => None,
        TaskTarget::Current => current,
        TaskTarget::Task(task) => Some(task),
    }
}

/// The target of an event that counts `task`, or a CPU, and is opened while `current` runs.
pub(crate) fn target(task: Option<&str>, current: Option<&str>) -> TaskTarget {
    match task {
        None => TaskTarget::Cpu,
        Some(_) if task == current => TaskTarget::Current,
        Some(task) => TaskTarget::Task(task.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use scenario::{EventKind, TaskTarget};

    use super::*;
    use crate::fuzz::generate::step;

    #[test]
    fn whose_an_event_is_follows_from_who_runs() {
        let to = |task: &str| step(Op::Switch(SwitchTarget::Task(task.to_owned())));
        let steps = [to("T"), to("U"), step(Op::ExitTask)];
        let current: Vec<_> = (0..=3).map(|at| current_at(&steps, at)).collect();
        assert_eq!(current, [None, Some("T"), Some("U"), None]);

        let mut event = Event::plain("A", EventKind::Instructions);
        assert_eq!(task_of(&event, Some("T")), None);
        event.task = TaskTarget::Current;
        let task = task_of(&event, current[1]);
        assert_eq!(target(task, current[1]), TaskTarget::Current);
        assert_eq!(target(task, current[2]), TaskTarget::Task("T".to_owned()));
    }
}
