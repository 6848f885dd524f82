// SPDX-License-Identifier: GPL-2.0-only
//! Names of values that uops pass to each other.
//!
//! What is renamed on its own has a name of its own: 64-bit registers, AH to DH, the carry flag,
//! the other status flags, vector registers, and temporaries inside one instruction.

use iced_x86::Register;

/// A renamed value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resource(pub u8);

/// How many there are.
pub const RESOURCES: usize = 96;

impl Resource {
    /// RSP.
    pub const RSP: Self = Self(4);
    /// The carry flag.
    pub const CARRY: Self = Self(20);
    /// The other status flags.
    pub const FLAGS: Self = Self(21);
    /// What is kept nowhere else (MXCSR, segment registers, the x87 control word).
    pub const OTHER: Self = Self(22);
    const VECTOR: u8 = 24;
    const MMX: u8 = 56;
    const X87: u8 = 64;
    const TEMPORARY: u8 = 80;

    /// Temporary n of an instruction.
    #[must_use]
    pub const fn temporary(n: u8) -> Self {
        Self(Self::TEMPORARY + n % 16)
    }

    /// The name of a register.
    #[must_use]
    pub fn of(register: Register) -> Option<Self> {
        let full = register.full_register();
        if high_byte(register) {
            return Some(Self(16 + (register as u32 - Register::AH as u32) as u8));
        }
        if full.is_gpr64() {
            return Some(Self(full.number() as u8));
        }
        if register.is_vector_register() {
            return Some(Self(Self::VECTOR + full.number() as u8 % 32));
        }
        if register.is_mm() {
            return Some(Self(Self::MMX + register.number() as u8));
        }
        if register.is_st() {
            return Some(Self(Self::X87 + register.number() as u8));
        }
        None
    }

    /// A 64-bit general register?
    #[must_use]
    pub const fn is_gpr(self) -> bool {
        self.0 < 16
    }

    /// A vector register?
    #[must_use]
    pub const fn is_vector(self) -> bool {
        self.0 >= Self::VECTOR && self.0 < Self::MMX
    }

    /// The high-byte register inside this register.
    #[must_use]
    pub const fn high_part(self) -> Option<Self> {
        if self.0 < 4 {
            Some(Self(16 + self.0))
        } else {
            None
        }
    }
}

/// AH, CH, DH or BH?
#[must_use]
pub fn high_byte(register: Register) -> bool {
    matches!(
        register,
        Register::AH | Register::CH | Register::DH | Register::BH
    )
}
