// SPDX-License-Identifier: GPL-2.0-only
//! Macro-fusion: which instructions become one with the conditional jump behind them (uiCA, and
//! uops.info's measurements).

use super::lower::{Kind, Lowered};
use iced_x86::{ConditionCode, Instruction, Mnemonic, OpKind};

const CARRY: u8 = 1;
const ZERO: u8 = 2;
const CARRY_ZERO: u8 = 4;
const SIGNED: u8 = 8;
const OTHER: u8 = 16;
/// Ports of a taken branch.
pub(super) const TAKEN: u8 = 1 << 6;
const BRANCH: u8 = 1 | 1 << 6;
/// Jumps at the start of a code line stay alone.
const LINE: u64 = 64;

/// The conditions that fuse with an instruction.
pub(super) fn fuses(instruction: &Instruction) -> u8 {
    let kind =
        |k: fn(OpKind) -> bool| (0..instruction.op_count()).any(|i| k(instruction.op_kind(i)));
    let memory = kind(|k| k == OpKind::Memory);
    let immediate = kind(|k| !matches!(k, OpKind::Register | OpKind::Memory));
    if memory && (immediate || instruction.op0_kind() == OpKind::Memory && writes(instruction)) {
        return 0;
    }
    match instruction.mnemonic() {
        Mnemonic::Test | Mnemonic::And => CARRY | ZERO | CARRY_ZERO | SIGNED | OTHER,
        Mnemonic::Cmp | Mnemonic::Add | Mnemonic::Sub => CARRY | ZERO | CARRY_ZERO | SIGNED,
        Mnemonic::Inc | Mnemonic::Dec => ZERO | SIGNED,
        _ => 0,
    }
}

fn writes(instruction: &Instruction) -> bool {
    !matches!(instruction.mnemonic(), Mnemonic::Cmp | Mnemonic::Test)
}

/// The bit of a conditional jump's condition; 0 of everything else.
pub(super) fn condition(instruction: &Instruction) -> u8 {
    if !instruction.is_jcc_short_or_near() {
        return 0;
    }
    match instruction.condition_code() {
        ConditionCode::b | ConditionCode::ae => CARRY,
        ConditionCode::e | ConditionCode::ne => ZERO,
        ConditionCode::be | ConditionCode::a => CARRY_ZERO,
        ConditionCode::l | ConditionCode::ge | ConditionCode::le | ConditionCode::g => SIGNED,
        _ => OTHER,
    }
}

/// May a jump at `at` become one with the instruction before it?
pub(super) fn together(first: &Lowered, jump: &Lowered, at: u64) -> bool {
    first.fuses & jump.condition != 0 && !at.is_multiple_of(LINE)
}

/// The instruction that both become.
pub(super) fn fused(first: &Lowered, jump: &Lowered, taken: bool) -> Lowered {
    let mut both = first.clone();
    both.branch = true;
    both.fused_len = jump.len;
    let ports = if taken { TAKEN } else { BRANCH };
    if let Some(uop) = both.uops.iter_mut().rfind(|u| u.kind == Kind::Compute) {
        uop.ports = ports;
    }
    both
}

/// A branch when it is taken: no other port than 6 jumps.
pub(super) fn taken(branch: &Lowered) -> Lowered {
    let mut taken = branch.clone();
    for uop in &mut taken.uops {
        if uop.ports & TAKEN != 0 && uop.kind == Kind::Compute {
            uop.ports = TAKEN;
        }
    }
    taken
}
