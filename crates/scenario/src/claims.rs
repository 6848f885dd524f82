// SPDX-License-Identifier: GPL-2.0-only
//! The claims about the sharing code that scenarios can name (`claim = "P4"`): those of the review
//! of the patch and its follow-ups, by the numbers of the sharing reference (section 5), and what
//! was found beside them.

use std::fmt;

/// How a claim is judged (sharing reference, section 5d).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A sweep or an interleaving shows it, in the version that it was made against.
    Symptom,
    /// A rule that holds or is broken; a mutant that breaks it must be caught.
    Invariant,
    /// It needs freedom of the compiler or of the memory model that is not there.
    CannotOccur,
    /// Nothing to run; the reason is the claim's note.
    NotExecutable,
    /// Not in the review: found here.
    Found,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Symptom => "symptom",
            Self::Invariant => "invariant",
            Self::CannotOccur => "cannot occur",
            Self::NotExecutable => "not executable",
            Self::Found => "found here",
        })
    }
}

/// A claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Its number: P1 to P26 are the review's, N1 upwards were found here.
    pub id: &'static str,
    /// How it is judged.
    pub class: Class,
    /// What it says, in one line.
    pub says: &'static str,
    /// What else must be known: the mutant or variant that shows it, or why nothing can be run.
    pub note: &'static str,
}

const fn claim(id: &'static str, class: Class, says: &'static str, note: &'static str) -> Claim {
    Claim {
        id,
        class,
        says,
        note,
    }
}

/// All claims, in the order of their numbers.
pub const CLAIMS: &[Claim] = &[
    claim(
        "P1",
        Class::Invariant,
        "A master is ENABLED while its counter runs for others only; what it shows stands still.",
        "Broken by mutants/p1-count-of-enabled, whose perf_event_count shows the accumulator.",
    ),
    claim(
        "P2",
        Class::Symptom,
        "Child counts must not be copied beside counts: exiting children add to them meanwhile.",
        "Two CPUs. Both halves show: in init_dup_master while a sharer is opened, in exit_dup_master \
         while the parent exits with its descriptor open.",
    ),
    claim(
        "P3",
        Class::NotExecutable,
        "The up-to-date read belongs inside init_dup_master.",
        "No failure of its own: in v10 base and master_count are taken from the same stale value. \
         What an NMI between read and snapshot does is P4.",
    ),
    claim(
        "P4",
        Class::Symptom,
        "init_dup_master is broken for ACTIVE events: dup_master is visible before what belongs to it.",
        "",
    ),
    claim(
        "P5",
        Class::Invariant,
        "exit_dup_master relies on a state of at most INACTIVE.",
        "v10 asserts nothing; from delta on the assertion fires whenever a master is closed while \
         sharers are ACTIVE, because that master is ENABLED. Broken further by \
         mutants/p5-exit-active.",
    ),
    claim(
        "P6",
        Class::Symptom,
        "A sync is not safe against an NMI that syncs the same event.",
        "v10's child counts (RD lines 5 and 7) are out of reach: of the two readers in an NMI, \
         perf_event_read_local refuses inherited events, and a group with a sample that reads it has none.",
    ),
    claim(
        "P7",
        Class::Symptom,
        "While an event is ACTIVE, dup_master and dup_count must agree at all times.",
        "",
    ),
    claim(
        "P8",
        Class::NotExecutable,
        "The forward declaration of event_pmu_add is useless.",
        "Style: no instruction depends on it.",
    ),
    claim(
        "P9",
        Class::Symptom,
        "remove_dup is called on events below OFF, which its WARN excludes.",
        "",
    ),
    claim(
        "P10",
        Class::NotExecutable,
        "Braces, and the reason for storing ENABLED in remove_dup is not given.",
        "Style and documentation. The reason is P13 and P17.",
    ),
    claim(
        "P11",
        Class::Invariant,
        "dup_active other than 0 implies that dup_master is the event itself.",
        "Broken by mutants/p11-active-of-sharer.",
    ),
    claim(
        "P12",
        Class::Symptom,
        "event_sched_out leaves ACTIVE behind pmu->del: an NMI reads an event that is not on the PMU.",
        "Mainline has it too. On x86 the value is right, only a checker sees it.",
    ),
    claim(
        "P13",
        Class::Invariant,
        "A sync must not read a master that is not on the hardware.",
        "From v11 on remove_dup breaks it by itself: it takes the old master off the PMU before the \
         loop whose syncs read it, and its state still says ENABLED (the baseline of p5, p7 and \
         others). The value is right. Broken everywhere by mutants/p13-unguarded.",
    ),
    claim(
        "P14",
        Class::Invariant,
        "event_pmu_del takes the event off before the last sync.",
        "Broken by mutants/p14-state-last. That v10 syncs before it deletes loses nothing on x86, as \
         the PMU is disabled from before.",
    ),
    claim(
        "P15",
        Class::Invariant,
        "A change of masters needs a tombstone, because two fields cannot be stored at once.",
        "Broken by mutants/p15-no-tombstone: a composed remove_dup with the flip of v10.",
    ),
    claim(
        "P16",
        Class::Invariant,
        "Every new master gets its master_count at the flip.",
        "Broken by mutants/p16-second-sharer: a composed remove_dup that sets it as v10 does.",
    ),
    claim(
        "P17",
        Class::Invariant,
        "ENABLED is stored before the PMU is enabled.",
        "No count tells: a sync may lag by what the kernel itself counts between the two \
         instructions. Oracle ownership looks at the state of whoever holds a counter as the PMU is \
         enabled. Broken by mutants/p17-enable-first, v11's remove_dup with the two the other way \
         round.",
    ),
    claim(
        "P18",
        Class::Invariant,
        "Adding the new master cannot fail, as the identical old one was just removed.",
        "Before v11 nobody removes the old master; where all counters are taken, adding fails. \
         Broken in v11 by mutants/p18-old-stays. The index that copy_hw_config has copied by then \
         stays with the new master: its syncs read the counter of the freed one, and when it is \
         scheduled out pmu->stop finds the counter running and switches it off through a \
         config_base of 0.",
    ),
    claim(
        "P19",
        Class::NotExecutable,
        "The reviewer did not fix everything, and has low confidence in what he fixed.",
        "A statement about the review. What remained in delta is in this table.",
    ),
    claim(
        "P20",
        Class::Symptom,
        "dup_master and master_count must agree at all times, also for events that are not ACTIVE.",
        "",
    ),
    claim(
        "P21",
        Class::Symptom,
        "perf_event_count runs on other CPUs: its loads need an order against the writer's stores.",
        "Two CPUs.",
    ),
    claim(
        "P22",
        Class::Symptom,
        "One of the two returns in can_share is superfluous; with it, software events are shared.",
        "Shown with two cpu-clock events in the groups of hardware events. Their values stay right.",
    ),
    claim(
        "P23",
        Class::Invariant,
        "The order in v12's init_dup_master (master_count, dup_count, barrier, dup_master) is right.",
        "Broken by mutants/p23-publish-early, which is v11's order.",
    ),
    claim(
        "P24",
        Class::CannotOccur,
        "exit_dup_master needs its barrier between restoring count and clearing dup_master.",
        "The store of count is local64_set, a volatile access that a compiler keeps before \
         WRITE_ONCE, and x86 keeps stores in order. The variant variants/p24-sunk-store has the two \
         stores in the other order, as a compiler could leave plain ones. The reader is a probe in \
         another NMI: with active sharers remove_dup has disabled the PMU by then, and a PMI would \
         have to be more than 400 instructions late.",
    ),
    claim(
        "P25",
        Class::CannotOccur,
        "The order between CPUs that P21 demands is missing in v12.",
        "x86 keeps stores in order and loads in order. The variant variants/p25-loads-swapped has the \
         loads of perf_event_count in the other order, as a weaker memory model allows; \
         variants/p24-sunk-store shows on two CPUs what another order of exit_dup_master's stores \
         does. That of init_dup_master's is P20's p20-init-dup-master-remote, where v11 has it.",
    ),
    claim(
        "P26",
        Class::NotExecutable,
        "Sprinkling memory barriers would be unpleasant.",
        "An opinion about code.",
    ),
    claim(
        "N1",
        Class::Found,
        "Closing an ENABLED master takes the counter from the sharers that are ACTIVE.",
        "event_sched_out lets ENABLED through, and event_pmu_del takes the master out of \
         dup_active, where an ENABLED master does not stand.",
    ),
    claim(
        "N2",
        Class::Found,
        "retry's perf_event_count never returns in an NMI that has interrupted the change of masters.",
        "It waits for the tombstone to go, which only the interrupted code can do.",
    ),
    claim(
        "N3",
        Class::Found,
        "reset stores into count, which for a master is the accumulator: the master's value stays.",
        "Until v12.",
    ),
    claim(
        "N4",
        Class::Found,
        "Disabling a master stores OFF over ENABLED while its counter runs for the sharers.",
        "Until v12. The guard of P13 then takes the master for one that is not on the hardware, so \
         that syncs of the sharers read nothing. In delta, whose remove_dup calls no pmu->del, what \
         they missed is lost for good where that master is closed (sched/close-off).",
    ),
    claim(
        "N5",
        Class::Found,
        "An event that is OFF is taken for a master, and goes from OFF to ENABLED.",
        "Until v11 where a sharer is opened or enabled; in v11r still where the two shared before they \
         were disabled, as only v12 ends a sharing then. A group sample reads what is above INACTIVE: \
         it syncs that master with itself and makes it count.",
    ),
    claim(
        "N6",
        Class::Found,
        "The user page of a sharer: its own hw has no counter, so that it shows what it was mapped with.",
        "Until v11. v11r goes by the master, but nobody writes the page of a sharer when the master \
         changes; v12 walks the list of sharers.",
    ),
    claim(
        "N7",
        Class::Found,
        "perf_event_sync_stat exchanges count alone, which for a master is the accumulator.",
        "In every version: clones with inherit_stat give each other wrong counts.",
    ),
    claim(
        "N8",
        Class::Found,
        "Reading a master that is ENABLED leaves its enabled time where it was.",
        "perf_event_read asks the CPU of whatever is above INACTIVE; an ENABLED master is on none \
         (oncpu is -1), so that nothing is brought up to date.",
    ),
    claim(
        "N9",
        Class::Found,
        "Not every way to enable an event looks for a master: compatible events get a counter each.",
        "Enabling in an active context does from v12 on, if it schedules at once; exec and the \
         enabling of a leader for its siblings do in no version.",
    ),
];

/// The claim with this number.
#[must_use]
pub fn claim_of(id: &str) -> Option<&'static Claim> {
    CLAIMS.iter().find(|claim| claim.id == id)
}
