// SPDX-License-Identifier: GPL-2.0-only
//! From bytes to an [`Op`]. The crate iced-x86 knows the encoding; here each instruction gets the
//! function that executes it. What has none gets one that stops the run.

mod extra;
mod integer;
mod operands;
mod sse;
mod system;
mod thread;
mod x87;

use crate::exec::thread::leave;
use crate::exec::{branch, misc};
use crate::features::needed;
use crate::memory::Memory;
use crate::op::{Handler, NONE, Op};
use crate::{Features, Stop, exec};
use iced_x86::{
    Decoder, DecoderError, DecoderOptions, Formatter, Instruction, IntelFormatter, Mnemonic,
};

/// The result of decoding.
pub(crate) struct Decoded {
    /// The op; its tag and links are still missing.
    pub(crate) op: Op,
    /// Bytes that decided, at least 1 unless there were none.
    pub(crate) used: usize,
    /// Nothing runs on behind it.
    pub(crate) ends: bool,
    /// There were enough bytes.
    pub(crate) complete: bool,
    /// It does not stop the run by name.
    pub(crate) implemented: bool,
}

/// An op that does `run` and has no operands.
pub(crate) fn plain(run: Handler, len: usize) -> Op {
    Op {
        run,
        thread: leave,
        tag: 0,
        target: 0,
        disp: 0,
        imm: 0,
        len: len as u8,
        dst: NONE,
        src: NONE,
        base: NONE,
        index: NONE,
        mode: 0,
        aux: 0,
    }
}

fn parse(bytes: &[u8], rip: u64) -> (Instruction, DecoderError) {
    let mut decoder = Decoder::with_ip(64, bytes, rip, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    decoder.decode_out(&mut instruction);
    let error = if instruction.is_invalid() {
        decoder.last_error()
    } else {
        DecoderError::None
    };
    (instruction, error)
}

/// Decodes one instruction at `rip` from up to 15 bytes, as a model with these features does.
pub(crate) fn decode(bytes: &[u8], rip: u64, features: Features) -> Decoded {
    let (instruction, error) = parse(bytes, rip);
    let mut decoded = Decoded {
        op: plain(misc::undefined, instruction.len().max(1)),
        used: bytes.len(),
        ends: true,
        complete: true,
        implemented: true,
    };
    match error {
        DecoderError::None => {
            let i = &instruction;
            decoded.used = i.len();
            decoded.ends = ends(i.mnemonic());
            decoded.op = operands::fill(i);
            if !features.contains(needed(i.cpuid_features())) {
                decoded.op.run = extra::without_feature(i, &mut decoded.op);
                return decoded;
            }
            let run = integer::select(i, &mut decoded.op)
                .or_else(|| extra::select(i, &mut decoded.op))
                .or_else(|| sse::select(i, &mut decoded.op))
                .or_else(|| system::select(i, &mut decoded.op))
                .or_else(|| x87::select(i, &mut decoded.op));
            decoded.implemented = run.is_some();
            if let Some(run) = run {
                decoded.op.run = run;
                decoded.op.thread = thread::select(i, &decoded.op).unwrap_or(leave);
            }
        }
        DecoderError::NoMoreBytes => {
            decoded.complete = bytes.len() >= 15;
            // More than 15 bytes are #GP(0), not #UD.
            decoded.op.run = misc::protected;
        }
        _ => {}
    }
    decoded
}

/// Does control never reach what stands behind it?
fn ends(m: Mnemonic) -> bool {
    use Mnemonic::{Hlt, Int1, Iretd, Iretq, Jmp, Ret, Retf, Sysretq, Ud0, Ud1, Ud2};
    matches!(
        m,
        Jmp | Ret | Retf | Iretq | Iretd | Sysretq | Ud0 | Ud1 | Ud2 | Hlt | Int1
    )
}

/// Is `disp` the target's op and `imm` the distance?
pub(crate) fn is_direct_branch(op: &Op) -> bool {
    op.aux == DIRECT
        && op.base == NONE
        && op.index == NONE
        && op.dst == NONE
        && op.src == NONE
        && op.mode == DIRECT
}

/// In `aux` and `mode` of direct branches, which use neither.
pub(crate) const DIRECT: u8 = 0xff;

/// Handler and marks of a direct branch.
pub(crate) fn direct(i: &Instruction, op: &mut Op, run: Handler) -> Option<Handler> {
    let distance = i.near_branch_target().wrapping_sub(i.next_ip()) as i64;
    op.imm = i32::try_from(distance).ok()?;
    op.aux = DIRECT;
    op.mode = DIRECT;
    Some(run)
}

/// Would the instruction in `bytes` execute, be it to raise an exception? If not, it stops a run
/// by name. Bytes that make no instruction execute too: they raise #UD.
#[must_use]
pub fn is_implemented(bytes: &[u8]) -> bool {
    decode(bytes, 0, Features::ALL).implemented
}

/// The instruction at `rip` in Intel syntax.
#[must_use]
pub fn disassemble(mem: &Memory, rip: u64) -> String {
    let mut bytes = [0; 15];
    let have = (mem.size().saturating_sub(rip)).min(15) as usize;
    if mem.read(rip, &mut bytes[..have]).is_err() || have == 0 {
        return "(outside memory)".into();
    }
    let (instruction, _) = parse(&bytes[..have], rip);
    if instruction.is_invalid() {
        return "(bad)".into();
    }
    let mut formatter = IntelFormatter::new();
    formatter.options_mut().set_hex_prefix("0x");
    formatter.options_mut().set_hex_suffix("");
    formatter.options_mut().set_uppercase_hex(false);
    formatter
        .options_mut()
        .set_space_after_operand_separator(true);
    formatter.options_mut().set_rip_relative_addresses(false);
    let mut text = String::new();
    formatter.format(&instruction, &mut text);
    text
}

/// The stop for an instruction that has no handler.
pub(crate) fn unimplemented(mem: &Memory, rip: u64) -> Stop {
    let mut bytes = vec![0; (mem.size().saturating_sub(rip)).min(15) as usize];
    if mem.read(rip, &mut bytes).is_err() {
        bytes.clear();
    }
    let (instruction, _) = parse(&bytes, rip);
    bytes.truncate(instruction.len());
    Stop::Unimplemented {
        rip,
        bytes,
        disassembly: disassemble(mem, rip),
    }
}

/// A handler for each condition code, in the order of the opcodes.
macro_rules! by_condition {
    ($cc:expr, $($path:ident)::+ $(, $t:ty)*) => {{
        let table: [crate::op::Handler; 16] = [
            $($path)::+::<$($t,)* 0>, $($path)::+::<$($t,)* 1>, $($path)::+::<$($t,)* 2>,
            $($path)::+::<$($t,)* 3>, $($path)::+::<$($t,)* 4>, $($path)::+::<$($t,)* 5>,
            $($path)::+::<$($t,)* 6>, $($path)::+::<$($t,)* 7>, $($path)::+::<$($t,)* 8>,
            $($path)::+::<$($t,)* 9>, $($path)::+::<$($t,)* 10>, $($path)::+::<$($t,)* 11>,
            $($path)::+::<$($t,)* 12>, $($path)::+::<$($t,)* 13>, $($path)::+::<$($t,)* 14>,
            $($path)::+::<$($t,)* 15>,
        ];
        table.get(usize::from($cc)).copied()
    }};
}
pub(crate) use by_condition;

/// Near branches.
pub(crate) fn jcc(cc: u8) -> Option<Handler> {
    by_condition!(cc, branch::jcc)
}

pub(crate) use exec::bits::{COMPLEMENT, RESET, SET, TEST};
