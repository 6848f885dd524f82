// SPDX-License-Identifier: GPL-2.0-only
//! Random instructions that do nothing but compute: random bytes, kept if they decode to one.

use super::child::{CODE, DATA};
use iced_x86::{
    Decoder, DecoderOptions, Encoder, FlowControl, Instruction, Mnemonic as N, OpKind, Register,
};

/// A small generator with a stable stream (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    /// A value with the corners that matter.
    pub(crate) fn value(&mut self) -> u64 {
        let v = self.next();
        match self.below(8) {
            0 => v & 0xff,
            1 => 0,
            2 => u64::MAX,
            3 => 1 << (v & 63),
            4 => (1 << (v & 63)) - 1,
            5 => i64::from(v as i8) as u64,
            6 => i64::from(v as i32) as u64,
            _ => v,
        }
    }
}

/// What this processor can do beyond the base set.
fn supported(m: N) -> bool {
    match m {
        N::Andn | N::Bextr | N::Blsi | N::Blsmsk | N::Blsr | N::Tzcnt => {
            is_x86_feature_detected!("bmi1")
        }
        N::Bzhi | N::Mulx | N::Pdep | N::Pext | N::Rorx | N::Sarx | N::Shlx | N::Shrx => {
            is_x86_feature_detected!("bmi2")
        }
        N::Adcx | N::Adox => is_x86_feature_detected!("adx"),
        N::Movbe => is_x86_feature_detected!("movbe"),
        N::Lzcnt => is_x86_feature_detected!("lzcnt"),
        N::Popcnt => is_x86_feature_detected!("popcnt"),
        N::Crc32 => is_x86_feature_detected!("sse4.2"),
        N::Cmpxchg16b => is_x86_feature_detected!("cmpxchg16b"),
        _ => true,
    }
}

/// Instructions that can be compared one by one.
fn wanted(i: &Instruction) -> bool {
    use iced_x86::ConditionCode;
    let m = i.mnemonic();
    let plain = matches!(
        m,
        N::Mov
            | N::Movzx
            | N::Movsx
            | N::Movsxd
            | N::Lea
            | N::Xchg
            | N::Bswap
            | N::Movbe
            | N::Add
            | N::Or
            | N::Adc
            | N::Sbb
            | N::And
            | N::Sub
            | N::Xor
            | N::Cmp
            | N::Test
            | N::Inc
            | N::Dec
            | N::Neg
            | N::Not
            | N::Shl
            | N::Sal
            | N::Shr
            | N::Sar
            | N::Rol
            | N::Ror
            | N::Rcl
            | N::Rcr
            | N::Shld
            | N::Shrd
            | N::Mul
            | N::Imul
            | N::Div
            | N::Idiv
            | N::Cbw
            | N::Cwde
            | N::Cdqe
            | N::Cwd
            | N::Cdq
            | N::Cqo
            | N::Bt
            | N::Bts
            | N::Btr
            | N::Btc
            | N::Bsf
            | N::Bsr
            | N::Tzcnt
            | N::Lzcnt
            | N::Popcnt
            | N::Crc32
            | N::Cmpxchg
            | N::Cmpxchg8b
            | N::Cmpxchg16b
            | N::Xadd
            | N::Push
            | N::Pop
            | N::Call
            | N::Ret
            | N::Jmp
            | N::Leave
            | N::Enter
            | N::Loop
            | N::Loope
            | N::Loopne
            | N::Jrcxz
            | N::Jecxz
            | N::Clc
            | N::Stc
            | N::Cmc
            | N::Cld
            | N::Std
            | N::Lahf
            | N::Sahf
            | N::Xlatb
            | N::Nop
            | N::Andn
            | N::Bextr
            | N::Blsi
            | N::Blsmsk
            | N::Blsr
            | N::Bzhi
            | N::Mulx
            | N::Pdep
            | N::Pext
            | N::Rorx
            | N::Sarx
            | N::Shlx
            | N::Shrx
            | N::Adcx
            | N::Adox
    ) || (i.is_string_instruction()
        && matches!(
            m,
            N::Movsb
                | N::Movsw
                | N::Movsd
                | N::Movsq
                | N::Stosb
                | N::Stosw
                | N::Stosd
                | N::Stosq
                | N::Lodsb
                | N::Lodsw
                | N::Lodsd
                | N::Lodsq
                | N::Scasb
                | N::Scasw
                | N::Scasd
                | N::Scasq
                | N::Cmpsb
                | N::Cmpsw
                | N::Cmpsd
                | N::Cmpsq
        ));
    let conditional = i.condition_code() != ConditionCode::None && i.op_count() < 3;
    if !(plain || conditional) || !supported(m) {
        return false;
    }
    let registers_only =
        (0..i.op_count()).all(|n| i.op_kind(n) != OpKind::Register || i.op_register(n).is_gpr());
    let far =
        i.is_jmp_far() || i.is_call_far() || i.is_jmp_far_indirect() || i.is_call_far_indirect();
    let narrow_string = (0..i.op_count()).any(|n| {
        matches!(
            i.op_kind(n),
            OpKind::MemorySegESI | OpKind::MemorySegEDI | OpKind::MemoryESEDI
        )
    }) || m == N::Xlatb && i.memory_base() == Register::EBX;
    // The core has no 16-bit ENTER.
    let undefined = m == N::Bswap && i.op_register(0).size() == 2
        || m == N::Enter && i.code() != iced_x86::Code::Enterq_imm16_imm8;
    // FS and GS: their bases are the child's. A memory target would have to be a code address.
    let foreign = matches!(i.segment_prefix(), Register::FS | Register::GS);
    let indirect = matches!(m, N::Jmp | N::Call) && i.op_kind(0) == OpKind::Memory;
    registers_only && !(far || narrow_string || undefined || foreign || indirect)
}

/// Bytes of one instruction at `CODE`, and what they mean.
pub(crate) fn instruction(r: &mut Random) -> (Vec<u8>, Instruction) {
    loop {
        let mut bytes = Vec::new();
        match r.below(12) {
            0 => bytes.push(0x66),
            1 => bytes.push(0xf2),
            2 => bytes.push(0xf3),
            3 => bytes.push(0xf0),
            4 => bytes.extend([0x66, 0xf2]),
            _ => {}
        }
        if r.below(2) == 0 {
            bytes.push(0x40 | r.below(16) as u8);
        }
        let opcode = if r.below(4) == 0 {
            r.next() as u8
        } else {
            0xf0 + r.below(8) as u8
        };
        match r.below(9) {
            0..=2 => bytes.push(0x0f),
            3 => bytes.extend([0x0f, 0x38, opcode]),
            4 => {
                let inverted = r.below(8) as u8;
                let payload = r.next() as u8 & !4;
                bytes = vec![0xc4, inverted << 5 | 2 | r.below(2) as u8, payload, opcode];
            }
            5 if r.below(8) == 0 => bytes.extend([0x0f, 0xc7, 0x08 | r.next() as u8 & 0x87]),
            _ => {}
        }
        for _ in 0..12 {
            bytes.push(r.next() as u8);
        }
        bytes.truncate(15);
        let i = Decoder::with_ip(64, &bytes, CODE, DecoderOptions::NONE).decode();
        // NOPs, XCHG and conditional instructions would drown the rest.
        let common = i.condition_code() != iced_x86::ConditionCode::None || i.mnemonic() == N::Nop;
        if i.is_invalid() || !wanted(&i) || (common && r.below(8) != 0) {
            continue;
        }
        bytes.truncate(i.len());
        // 66H in front of near branches: the makers disagree. F2H and F3H in front of LOOPE and
        // LOOPNE, reserved by the manual, choose the condition on AMD's cores.
        let prefixed = |p: u8| i.flow_control() != FlowControl::Next && bytes.contains(&p);
        let loops = matches!(i.mnemonic(), N::Loope | N::Loopne);
        if prefixed(0x66) || (loops && (prefixed(0xf2) || prefixed(0xf3))) {
            continue;
        }
        let has_memory = (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Memory);
        if has_memory && i.mnemonic() != N::Xlatb {
            let aligned = i.has_lock_prefix() || matches!(i.mnemonic(), N::Cmpxchg16b | N::Xchg);
            match relocate(r, i, aligned) {
                Some(relocated) => return relocated,
                None => continue,
            }
        }
        return (bytes, i);
    }
}

/// The same instruction with a memory operand in the data pages: RBX, perhaps plus R14, plus a
/// displacement; on a multiple of 16 if `aligned`.
pub(crate) fn relocate(
    r: &mut Random,
    mut i: Instruction,
    aligned: bool,
) -> Option<(Vec<u8>, Instruction)> {
    let narrow = r.below(8) == 0;
    i.set_memory_base(if narrow { Register::EBX } else { Register::RBX });
    i.set_memory_index(Register::None);
    i.set_memory_index_scale(1);
    if !aligned && r.below(3) == 0 {
        i.set_memory_index(if narrow {
            Register::R14D
        } else {
            Register::R14
        });
        i.set_memory_index_scale(1 << r.below(4));
    }
    let disp = if aligned {
        16 * r.below(32)
    } else {
        r.below(512)
    };
    i.set_memory_displ_size(if disp < 128 { 1 } else { 4 });
    i.set_memory_displacement64(disp);
    i.set_segment_prefix(Register::None);
    let mut encoder = Encoder::new(64);
    encoder.encode(&i, CODE).ok()?;
    let bytes = encoder.take_buffer();
    let i = Decoder::with_ip(64, &bytes, CODE, DecoderOptions::NONE).decode();
    Some((bytes, i))
}

/// Address of the memory operand that [`relocate`] made.
pub(crate) fn address(i: &Instruction, regs: &[u64; 16]) -> Option<u64> {
    let memory = (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Memory);
    let index = if i.memory_index() == Register::None {
        0
    } else {
        regs[14] * u64::from(i.memory_index_scale())
    };
    memory.then(|| regs[3] + index + i.memory_displacement64())
}

/// Registers that make `i` stay inside the data pages, in the order of the core.
pub(crate) fn registers(r: &mut Random, i: &Instruction, regs: &mut [u64; 16]) {
    for reg in regs.iter_mut() {
        if r.below(2) == 0 {
            *reg = r.value();
        }
    }
    let middle = DATA + 0x1000;
    regs[3] = middle + 16 * r.below(64);
    regs[4] = middle + 0x1000 + 8 * r.below(64);
    regs[14] = r.below(64);
    if i.is_string_instruction() {
        regs[1] = r.below(4);
        regs[6] = middle + r.below(0x800);
        regs[7] = middle + r.below(0x800);
    }
    match i.mnemonic() {
        N::Leave | N::Enter => regs[5] = middle + 0x1000 + 8 * r.below(64),
        N::Div | N::Idiv => {
            // Quotients that fit, most of the time.
            match r.below(4) {
                0 => {}
                1 => regs[2] = (regs[0] as i64 >> 63) as u64,
                2 => regs[2] = ((regs[0] as i32) >> 31) as u64,
                _ => regs[2] = 0,
            }
            if r.below(2) == 0 {
                regs[0] &= 0x7fff;
            }
        }
        N::Bt | N::Bts | N::Btr | N::Btc
            if i.op_kind(0) == OpKind::Memory && i.op_kind(1) == OpKind::Register =>
        {
            let n = i.op_register(1).full_register().number();
            if n != 3 && n != 14 {
                let small = r.below(0x2000) as i64 - 0x1000;
                let keep = if i.op_register(1).size() == 8 {
                    0
                } else {
                    !0xffff_ffff
                };
                regs[n] = regs[n] & keep | small as u64 & !keep;
            }
        }
        N::Jmp | N::Call if i.op_kind(0) == OpKind::Register => {
            let n = i.op_register(0).full_register().number();
            if n != 3 && n != 4 {
                regs[n] = CODE + r.below(0x800);
            }
        }
        _ => {}
    }
}
