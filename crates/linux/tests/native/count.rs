// SPDX-License-Identifier: GPL-2.0-only
//! What one instruction adds, from its decoding alone.

use std::collections::BTreeMap;

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, OpAccess,
};

use crate::child::{Child, Stepped};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counted {
    pub(crate) instructions: u64,
    pub(crate) branches: u64,
    pub(crate) loads: u64,
    pub(crate) stores: u64,
}

/// An instruction, with what it counts.
#[derive(Clone, Copy)]
struct Decoded {
    repeats: bool,
    branches: u64,
    /// Of one iteration if it repeats.
    loads: u64,
    stores: u64,
}

fn decode(child: &Child, rip: u64) -> Decoded {
    let mut bytes = [0; 16];
    let first = rip & !7;
    let shift = (rip - first) as usize;
    // Up to 15 bytes, as aligned words so that no page behind the code is touched needlessly.
    let mut have = 0;
    let mut word_at = first;
    let mut instruction = Instruction::default();
    while have < 15 {
        let word = child.word(word_at).to_le_bytes();
        let skip = if have == 0 { shift } else { 0 };
        for byte in &word[skip..] {
            if have < 15 {
                bytes[have] = *byte;
                have += 1;
            }
        }
        word_at += 8;
        instruction = Decoder::with_ip(64, &bytes[..have], rip, DecoderOptions::NONE).decode();
        if !instruction.is_invalid() {
            break;
        }
    }
    assert!(!instruction.is_invalid(), "at {rip:#x}");
    of(&instruction)
}

fn of(instruction: &Instruction) -> Decoded {
    let mut factory = InstructionInfoFactory::new();
    let info = factory.info(instruction);
    let (mut loads, mut stores) = (0, 0);
    for memory in info.used_memory() {
        match memory.access() {
            OpAccess::Read | OpAccess::CondRead => loads += 1,
            OpAccess::Write | OpAccess::CondWrite => stores += 1,
            OpAccess::ReadWrite | OpAccess::ReadCondWrite => {
                loads += 1;
                stores += 1;
            }
            OpAccess::None | OpAccess::NoMemAccess => {}
        }
    }
    let branch = !matches!(
        instruction.flow_control(),
        FlowControl::Next | FlowControl::Exception | FlowControl::Interrupt
    );
    let repeats = instruction.is_string_instruction()
        && (instruction.has_rep_prefix() || instruction.has_repne_prefix());
    Decoded {
        repeats,
        branches: branch.into(),
        loads,
        stores,
    }
}

/// Steps to the end: the exit status, and what was counted.
pub(crate) fn run(child: &Child) -> (i32, Counted) {
    let mut decoded: BTreeMap<u64, Decoded> = BTreeMap::new();
    let mut sum = Counted::default();
    let mut regs = child.registers();
    loop {
        let rip = regs.rip;
        let what = *decoded.entry(rip).or_insert_with(|| decode(child, rip));
        let iterates = !what.repeats || regs.rcx != 0;
        let stepped = child.step();
        let done = match stepped {
            Stepped::Exited(_) => true,
            Stepped::Stopped => {
                regs = child.registers();
                !what.repeats || regs.rip != rip
            }
        };
        sum.instructions += u64::from(done);
        sum.branches += what.branches;
        if iterates {
            sum.loads += what.loads;
            sum.stores += what.stores;
        }
        if let Stepped::Exited(status) = stepped {
            return (status, sum);
        }
    }
}
