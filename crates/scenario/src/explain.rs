// SPDX-License-Identifier: GPL-2.0-only
//! The longer text behind each [`Code`] (`pmusim explain E0102`).

use crate::Code;

impl Code {
    /// What the mistake is and how it is mended, in a few sentences.
    #[must_use]
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::Syntax => {
                "The file is not TOML 1.1. Frequent causes: a string without quotes, a missing \
                 comma between the tables of an array, the same key twice."
            }
            Self::UnknownKey => {
                "The table has a key that the format does not know. Nothing is ever ignored: a \
                 misspelt key would otherwise silently change what a run means."
            }
            Self::MissingKey => "A key without a default is missing.",
            Self::WrongType => "The value has another TOML type than the key takes.",
            Self::OutOfRange => "The number lies outside the range that the message names.",
            Self::UnknownWord => {
                "The value is a word, and not one of the words that this key takes."
            }
            Self::Format => {
                "Every file begins with `format = 1`. A higher number was written for a later \
                 version of this program and is refused rather than half understood."
            }
            Self::MisplacedKey => {
                "In TOML a plain key (`title = ...`) belongs to the table header above it. Keys of \
                 the file's top therefore stand before the first `[table]` or `[[table]]` line."
            }
            Self::BadName => {
                "Names of events, labels and tasks are identifiers: a letter or an underscore, \
                 then letters, digits and underscores. Some words are reserved (`none`, `idle`, \
                 `current`, `cpu`, `init`). File names may also have dots, dashes and slashes."
            }
            Self::BadText => {
                "An access reads `write master_count` or `read A.dup_count`, with the row before \
                 it where one is meant: `init_dup_master: write master_count`. A code point reads \
                 `symbol` or `symbol+0x3c`."
            }
            Self::UnknownEvent => "The name is not the `id` of an event of this file.",
            Self::Duplicate => {
                "Ids of events and labels of steps are unique in their file, since points and \
                 reports refer to them."
            }
            Self::UnknownLabel => {
                "No step carries this label. A step gets one with a second key: \
                 `{ open = \"B\", label = \"target\" }`."
            }
            Self::Group => {
                "perf_event_open(2) refuses such a group: a leader is itself no sibling, counts on \
                 the same CPU and task as its siblings, is opened before them, and alone may be \
                 pinned or exclusive."
            }
            Self::Sampling => {
                "An injector (`kind = \"inject\"`) is a sampling event with a period of at least \
                 2, the minimum of the x86 driver: a decision delivers the occurrences that make \
                 it overflow. perf refuses PERF_SAMPLE_READ for inherited events."
            }
            Self::StepShape => {
                "A step is a table with exactly one operation as key, plus `label`, plus `group` \
                 for enable, disable and reset."
            }
            Self::Order => {
                "Within one program an event is opened before it is used and not used after it is \
                 closed, and every event is opened at most once in a file, so that its name means \
                 one object."
            }
            Self::NmiSource => {
                "`pmi` and `late` name a sampling event of kind `inject`; `external` names an \
                 event that a `probe` step has attached to the NMI; `preempt` names a CPU; \
                 `tick` is an empty table."
            }
            Self::NotSwept => {
                "A sweep runs over all boundaries inside the kernel during one step: a system \
                 call, a switch, a tick or an exit. `work`, `wait` and `advance` do not enter the \
                 kernel."
            }
            Self::TooMuch => "A bound that keeps every run finite was exceeded.",
            Self::NeverCounts => "The event excludes both rings, so it counts nothing.",
            Self::Coupling => {
                "Most rows of a scheduler mix freely. Some versions of functions rely on each \
                 other; a mix that breaks such a rule would show bugs that no version of the patch \
                 has, and is refused."
            }
            Self::UnknownFile => {
                "A machine lives in sim-configs/machines, a scheduler in sim-configs/schedulers, \
                 each in a file of its own name with the ending .toml."
            }
            Self::BaseCycle => {
                "A scheduler file names itself as its base, directly or through others."
            }
            Self::NameMismatch => {
                "The key `name` and the name of the file must agree, because scenarios and traces \
                 refer to the name."
            }
            Self::Bank => {
                "The parts of a machine do not go together: no processor has such a set of features \
                 or such a counter bank. Some parts came with a later version, some are the other vendor's."
            }
            Self::NoGuest => {
                "A scenario runs the guest kernel, and the guest's driver is the kernel's for \
                 Intel's architectural performance monitoring, version 2 and later. Other machines \
                 serve `pmusim exec`."
            }
            Self::StoreBuffers => {
                "With `memory = \"tso\"` each CPU would have a store buffer, as x86-TSO says: its \
                 stores become visible to the others later than to itself. That is not modelled \
                 yet: a store is seen by all CPUs at once (`memory = \"sc\"`, the default). A file \
                 that asks for more is refused, as its runs would show less than it says."
            }
            Self::NoPlace => {
                "A known finding is matched by where it happens, never by its symptom: it needs \
                 `window` or `place`."
            }
        }
    }
}
