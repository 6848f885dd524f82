// SPDX-License-Identifier: GPL-2.0-only
//! Why a run cannot go on.

use std::fmt;

/// The core cannot go on. The state is that before the instruction at `rip`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// An instruction that this core does not implement.
    Unimplemented {
        /// Its address.
        rip: u64,
        /// Its bytes.
        bytes: Vec<u8>,
        /// Its text, Intel syntax, or what of it is missing.
        disassembly: String,
    },
    /// An exception that the guest has no working handler for.
    UnhandledException {
        /// Its vector.
        vector: u8,
        /// Its error code, if it has one.
        error_code: Option<u32>,
        /// Address of the instruction.
        rip: u64,
        /// CR2: the address that faulted, for #PF.
        cr2: u64,
        /// What is wrong with the handler.
        reason: String,
    },
    /// An exception while delivering #DF.
    TripleFault {
        /// Vector of the exception that started it.
        vector: u8,
        /// Address of the instruction.
        rip: u64,
        /// The chain of failures.
        reason: String,
    },
    /// IN or OUT at a port without a device.
    UnclaimedPort {
        /// Address of the instruction.
        rip: u64,
        /// The port.
        port: u16,
    },
}

impl Stop {
    /// Address of the instruction at which the core stopped.
    #[must_use]
    pub const fn rip(&self) -> u64 {
        match self {
            Self::Unimplemented { rip, .. }
            | Self::UnhandledException { rip, .. }
            | Self::TripleFault { rip, .. }
            | Self::UnclaimedPort { rip, .. } => *rip,
        }
    }
}

/// The manual's short name of an exception vector.
pub(crate) const fn vector_name(vector: u8) -> &'static str {
    match vector {
        0 => "#DE (divide error)",
        1 => "#DB (debug)",
        2 => "NMI",
        3 => "#BP (breakpoint)",
        4 => "#OF (overflow)",
        6 => "#UD (invalid opcode)",
        7 => "#NM (device not available)",
        8 => "#DF (double fault)",
        10 => "#TS (invalid TSS)",
        11 => "#NP (segment not present)",
        12 => "#SS (stack fault)",
        13 => "#GP (general protection)",
        14 => "#PF (page fault)",
        16 => "#MF (x87 floating point)",
        17 => "#AC (alignment check)",
        19 => "#XM (SIMD floating point)",
        _ => "interrupt",
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unimplemented {
                rip,
                bytes,
                disassembly,
            } => {
                write!(
                    f,
                    "instruction not implemented at {rip:#x}: {disassembly} (bytes"
                )?;
                for b in bytes {
                    write!(f, " {b:02x}")?;
                }
                f.write_str(")")
            }
            Self::UnhandledException {
                vector,
                error_code,
                rip,
                cr2,
                reason,
            } => {
                write!(f, "unhandled exception {vector} {}", vector_name(*vector))?;
                if let Some(code) = error_code {
                    write!(f, ", error code {code:#x}")?;
                }
                write!(f, " at {rip:#x}")?;
                if *vector == 14 {
                    write!(f, ", address {cr2:#x}")?;
                    if let Some(code) = error_code {
                        let ring = if code & 4 != 0 { "user" } else { "kernel" };
                        let what = match code {
                            c if c & 16 != 0 => "fetch",
                            c if c & 2 != 0 => "write",
                            _ => "read",
                        };
                        let why = if code & 1 != 0 {
                            "not permitted"
                        } else {
                            "page not present"
                        };
                        write!(f, " ({ring} {what}: {why})")?;
                    }
                }
                write!(f, ": {reason}")
            }
            Self::TripleFault {
                vector,
                rip,
                reason,
            } => {
                let name = vector_name(*vector);
                write!(
                    f,
                    "triple fault at {rip:#x}, from {vector} {name}: {reason}"
                )
            }
            Self::UnclaimedPort { rip, port } => {
                write!(f, "no device at port {port:#x}, accessed at {rip:#x}")
            }
        }
    }
}

impl std::error::Error for Stop {}
