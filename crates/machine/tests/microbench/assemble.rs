// SPDX-License-Identifier: GPL-2.0-only
//! Instructions of each form, with operands of the benchmark's choice.

use iced_x86::{
    Code, CpuidFeature, EncodingKind, FlowControl, Instruction, MemoryOperand, Mnemonic,
    OpCodeOperandKind as K, Register, RepPrefixKind,
};

/// What an operand is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operand {
    /// A general register of so many bytes.
    General(usize),
    /// An XMM register.
    Vector,
    /// One register and no other.
    Fixed(Register),
    /// Memory.
    Memory,
    /// An immediate.
    Immediate,
}

/// An encoding and what its operands are.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// The encoding.
    pub(crate) code: Code,
    /// Its explicit operands.
    pub(crate) operands: Vec<Operand>,
    /// With a LOCK prefix.
    pub(crate) locked: bool,
    /// The immediate, where a special value is a form of its own.
    immediate: Option<i32>,
    /// The parts of LEA's address.
    address: Parts,
}

/// What an address is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts {
    base: bool,
    /// 0: no index.
    scale: u32,
    displacement: i64,
}

/// Nothing but the base of the choice.
const PLAIN: Parts = Parts {
    base: true,
    scale: 0,
    displacement: 0,
};

/// The registers of a copy: general ones by number (as `full` knows them), XMM by number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice {
    /// For operand 0, 1 and 2.
    pub(crate) registers: [usize; 3],
    /// Base of the memory operand, and its displacement.
    pub(crate) memory: (Register, i64),
    /// The immediate.
    pub(crate) immediate: i32,
}

const FULL: [Register; 9] = [
    Register::RAX,
    Register::RDX,
    Register::RBX,
    Register::RSI,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
    Register::R13,
];
/// Registers that destinations rotate over.
pub(crate) const DESTINATIONS: usize = 8;
/// The general register that no benchmark writes to.
pub(crate) const CONSTANT: usize = 8;

/// General register `n` in `bytes` bytes.
pub(crate) fn general(n: usize, bytes: usize) -> Register {
    let full = FULL[n];
    let number = full.number();
    let first = match bytes {
        1 if number < 4 => return Register::AL + number as u32,
        1 => return Register::SPL + (number as u32 - 4),
        2 => Register::AX,
        4 => Register::EAX,
        _ => Register::RAX,
    };
    first + number as u32
}

/// BMI1 and BMI2: general registers in VEX clothes.
fn bit_manipulation(code: Code) -> bool {
    let of = code.cpuid_features();
    of.iter()
        .any(|f| matches!(f, CpuidFeature::BMI1 | CpuidFeature::BMI2))
}

/// A string instruction, not repeated.
fn string(code: Code) -> Option<Instruction> {
    use Code as C;
    let (none, once) = (Register::None, RepPrefixKind::None);
    match code {
        C::Movsb_m8_m8 => Instruction::with_movsb(64, none, once),
        C::Movsw_m16_m16 => Instruction::with_movsw(64, none, once),
        C::Movsd_m32_m32 => Instruction::with_movsd(64, none, once),
        C::Movsq_m64_m64 => Instruction::with_movsq(64, none, once),
        C::Cmpsb_m8_m8 => Instruction::with_cmpsb(64, none, once),
        C::Cmpsw_m16_m16 => Instruction::with_cmpsw(64, none, once),
        C::Cmpsd_m32_m32 => Instruction::with_cmpsd(64, none, once),
        C::Cmpsq_m64_m64 => Instruction::with_cmpsq(64, none, once),
        C::Lodsb_AL_m8 => Instruction::with_lodsb(64, none, once),
        C::Lodsw_AX_m16 => Instruction::with_lodsw(64, none, once),
        C::Lodsd_EAX_m32 => Instruction::with_lodsd(64, none, once),
        C::Lodsq_RAX_m64 => Instruction::with_lodsq(64, none, once),
        C::Stosb_m8_AL => Instruction::with_stosb(64, once),
        C::Stosw_m16_AX => Instruction::with_stosw(64, once),
        C::Stosd_m32_EAX => Instruction::with_stosd(64, once),
        C::Stosq_m64_RAX => Instruction::with_stosq(64, once),
        C::Scasb_AL_m8 => Instruction::with_scasb(64, once),
        C::Scasw_AX_m16 => Instruction::with_scasw(64, once),
        C::Scasd_EAX_m32 => Instruction::with_scasd(64, once),
        C::Scasq_RAX_m64 => Instruction::with_scasq(64, once),
        _ => return None,
    }
    .ok()
}

enum Value {
    R(Register),
    M(MemoryOperand),
    I(i32),
}

impl Shape {
    /// The shapes of an encoding: with a register and with memory where it takes both.
    pub(crate) fn of(code: Code) -> Vec<Self> {
        let info = code.op_code();
        let unfit = !info.mode64()
            || !info.is_instruction()
            || !(info.encoding() == EncodingKind::Legacy || bit_manipulation(code))
            || info.is_input_output()
            || info.is_reserved_nop()
            || code.is_jcc_short_or_near()
            || info.op_count() > 3;
        // What leaves the straight line, changes the machine's state or the stack's base.
        let instruction = {
            let mut i = Instruction::default();
            i.set_code(code);
            i
        };
        if unfit
            || instruction.flow_control() != FlowControl::Next
            || instruction.is_privileged()
            || matches!(
                code.mnemonic(),
                Mnemonic::Enter | Mnemonic::Leave | Mnemonic::Wrpkru | Mnemonic::Std
            )
        {
            return Vec::new();
        }
        let plain = Self {
            code,
            operands: Vec::new(),
            locked: false,
            immediate: None,
            address: PLAIN,
        };
        if instruction.is_string_instruction() {
            return if string(code).is_some() {
                vec![plain]
            } else {
                Vec::new()
            };
        }
        let mut all = vec![plain];
        for i in 0..info.op_count() {
            let choices = match info.op_kind(i) {
                K::r8_reg | K::r8_opcode => vec![Operand::General(1)],
                K::r16_reg | K::r16_opcode | K::r16_rm | K::r16_reg_mem => {
                    vec![Operand::General(2)]
                }
                K::r32_reg | K::r32_opcode | K::r32_rm | K::r32_reg_mem | K::r32_vvvv => {
                    vec![Operand::General(4)]
                }
                K::r64_reg | K::r64_opcode | K::r64_rm | K::r64_reg_mem | K::r64_vvvv => {
                    vec![Operand::General(8)]
                }
                K::r8_or_mem => vec![Operand::General(1), Operand::Memory],
                K::r16_or_mem => vec![Operand::General(2), Operand::Memory],
                K::r32_or_mem => vec![Operand::General(4), Operand::Memory],
                K::r64_or_mem => vec![Operand::General(8), Operand::Memory],
                K::xmm_reg | K::xmm_rm => vec![Operand::Vector],
                K::xmm_or_mem => vec![Operand::Vector, Operand::Memory],
                K::mem => vec![Operand::Memory],
                K::cl => vec![Operand::Fixed(Register::CL)],
                K::al => vec![Operand::Fixed(Register::AL)],
                K::ax => vec![Operand::Fixed(Register::AX)],
                K::eax => vec![Operand::Fixed(Register::EAX)],
                K::rax => vec![Operand::Fixed(Register::RAX)],
                K::imm8
                | K::imm8_const_1
                | K::imm8sex16
                | K::imm8sex32
                | K::imm8sex64
                | K::imm16
                | K::imm32
                | K::imm32sex64 => vec![Operand::Immediate],
                _ => Vec::new(),
            };
            all = choices
                .iter()
                .flat_map(|&c| {
                    all.iter().map(move |s| {
                        let mut s = s.clone();
                        s.operands.push(c);
                        s
                    })
                })
                .collect();
        }
        let variants = all
            .iter()
            .flat_map(|s| s.variants(info.can_use_lock_prefix()));
        let mut variants: Vec<Self> = variants.collect();
        all.append(&mut variants);
        all
    }

    /// The same with a LOCK prefix, special immediates, addresses of more parts.
    fn variants(&self, lockable: bool) -> Vec<Self> {
        let mut all = Vec::new();
        let memory = self.operands.first() == Some(&Operand::Memory);
        if lockable && memory && self.code.mnemonic() != Mnemonic::Xchg {
            all.push(Self {
                locked: true,
                ..self.clone()
            });
        }
        if self.operands.contains(&Operand::Immediate) {
            for value in [0, 1] {
                let mut shapes = all.clone();
                shapes.push(self.clone());
                shapes.retain(|s| s.immediate.is_none());
                all.extend(shapes.into_iter().map(|s| Self {
                    immediate: Some(value),
                    ..s
                }));
            }
        }
        if self.code.mnemonic() == Mnemonic::Lea {
            for base in [true, false] {
                for scale in [0, 1, 2] {
                    for displacement in [0, 8, 1000] {
                        let address = Parts {
                            base,
                            scale,
                            displacement,
                        };
                        all.push(Self {
                            address,
                            ..self.clone()
                        });
                    }
                }
            }
        }
        all
    }

    /// The instruction with these operands; none where the encoding does not take them.
    pub(crate) fn with(&self, choice: &Choice) -> Option<Instruction> {
        use Value::{I, M, R};
        if let Some(instruction) = string(self.code) {
            return Some(instruction);
        }
        let memory = self.memory(choice);
        let mut values = Vec::new();
        for (i, operand) in self.operands.iter().enumerate() {
            let n = choice.registers[i];
            values.push(match *operand {
                Operand::General(bytes) => R(general(n, bytes)),
                Operand::Vector => R(Register::XMM0 + n as u32),
                Operand::Fixed(register) => R(register),
                Operand::Memory => M(memory),
                Operand::Immediate => I(match self.code.op_code().op_kind(i as u32) {
                    K::imm8_const_1 => 1,
                    _ => self.immediate.unwrap_or(choice.immediate),
                }),
            });
        }
        let code = self.code;
        let mut instruction = match *values.as_slice() {
            [] => Ok(Instruction::with(code)),
            [R(a)] => Instruction::with1(code, a),
            [M(a)] => Instruction::with1(code, a),
            [I(a)] => Instruction::with1(code, a),
            [R(a), R(b)] => Instruction::with2(code, a, b),
            [R(a), M(b)] => Instruction::with2(code, a, b),
            [R(a), I(b)] => Instruction::with2(code, a, b),
            [M(a), R(b)] => Instruction::with2(code, a, b),
            [M(a), I(b)] => Instruction::with2(code, a, b),
            [R(a), R(b), R(c)] => Instruction::with3(code, a, b, c),
            [R(a), R(b), I(c)] => Instruction::with3(code, a, b, c),
            [R(a), M(b), I(c)] => Instruction::with3(code, a, b, c),
            [R(a), R(b), M(c)] => Instruction::with3(code, a, b, c),
            [R(a), M(b), R(c)] => Instruction::with3(code, a, b, c),
            [M(a), R(b), R(c)] => Instruction::with3(code, a, b, c),
            [M(a), R(b), I(c)] => Instruction::with3(code, a, b, c),
            _ => return None,
        }
        .ok()?;
        instruction.set_has_lock_prefix(self.locked);
        Some(instruction)
    }

    fn memory(&self, choice: &Choice) -> MemoryOperand {
        let (base, displacement) = choice.memory;
        if self.address == PLAIN {
            return MemoryOperand::with_base_displ(base, displacement);
        }
        let Parts { scale, .. } = self.address;
        let index = if scale == 0 {
            Register::None
        } else if self.address.base {
            general(CONSTANT, 8)
        } else {
            base
        };
        let base = if self.address.base {
            base
        } else {
            Register::None
        };
        MemoryOperand::new(
            base,
            index,
            scale.max(1),
            self.address.displacement,
            1,
            false,
            Register::None,
        )
    }

    /// A register operand whose number is `n` among the explicit registers: its place.
    pub(crate) fn register(&self, n: usize) -> Option<usize> {
        (0..self.operands.len())
            .filter(|&i| !matches!(self.operands[i], Operand::Memory | Operand::Immediate))
            .nth(n)
    }

    /// How many explicit registers it has.
    pub(crate) fn registers(&self) -> usize {
        (0..).take_while(|&n| self.register(n).is_some()).count()
    }
}
