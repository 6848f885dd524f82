// SPDX-License-Identifier: GPL-2.0-only
//! What the core asks of its surroundings.

use crate::Memory;
use abi::totals::Totals;
use std::fmt;

/// The request raises #GP(0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GeneralProtection;

/// The request raises #UD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidOpcode;

/// Nobody answers at this port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unclaimed;

macro_rules! error {
    ($t:ty, $text:literal) => {
        impl fmt::Display for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($text)
            }
        }
        impl std::error::Error for $t {}
    };
}
error!(GeneralProtection, "general protection");
error!(InvalidOpcode, "invalid opcode");
error!(Unclaimed, "no device answers at this port");

/// Everything outside core and memory. `totals` are those before the asking instruction retires.
pub trait Bus {
    /// RDMSR of a register the core does not hold itself (it holds EFER, STAR, LSTAR, CSTAR,
    /// FMASK, FS_BASE, GS_BASE, KERNEL_GS_BASE and TSC_AUX).
    ///
    /// # Errors
    /// No such register: the guest gets #GP(0).
    fn rdmsr(&mut self, msr: u32, totals: &Totals) -> Result<u64, GeneralProtection>;

    /// WRMSR; the instruction retires afterwards, in ring 0.
    ///
    /// # Errors
    /// No such register or a bad value: the guest gets #GP(0), and nothing may have changed.
    fn wrmsr(&mut self, msr: u32, value: u64, totals: &Totals) -> Result<(), GeneralProtection>;

    /// RDPMC of `index` (all of ECX). CR4.PCE and CPL were checked.
    ///
    /// # Errors
    /// No such counter: the guest gets #GP(0).
    fn rdpmc(&mut self, index: u32, totals: &Totals) -> Result<u64, GeneralProtection>;

    /// The time-stamp counter.
    fn rdtsc(&mut self, totals: &Totals) -> u64;

    /// CPUID: EAX, EBX, ECX, EDX.
    fn cpuid(&mut self, leaf: u32, subleaf: u32) -> [u32; 4];

    /// VMCALL (0F 01 C1): the guest calls the host. `rip` is that of the VMCALL.
    ///
    /// # Errors
    /// No such call: the guest gets #UD.
    fn vmcall(
        &mut self,
        regs: &[u64; 16],
        rip: u64,
        cpl: u8,
        mem: &mut Memory,
        totals: &Totals,
    ) -> Result<(), InvalidOpcode>;

    /// IN of `size` (1, 2 or 4) bytes.
    ///
    /// # Errors
    /// No device: the run stops.
    fn port_in(&mut self, port: u16, size: u8) -> Result<u32, Unclaimed>;

    /// OUT of `size` (1, 2 or 4) bytes.
    ///
    /// # Errors
    /// No device: the run stops.
    fn port_out(&mut self, port: u16, size: u8, value: u32) -> Result<(), Unclaimed>;
}

/// A bus with nothing on it: no MSR, counter, port or call exists; CPUID answers zeros; the
/// time-stamp counter is the number of retired instructions.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoBus;

impl Bus for NoBus {
    fn rdmsr(&mut self, _: u32, _: &Totals) -> Result<u64, GeneralProtection> {
        Err(GeneralProtection)
    }
    fn wrmsr(&mut self, _: u32, _: u64, _: &Totals) -> Result<(), GeneralProtection> {
        Err(GeneralProtection)
    }
    fn rdpmc(&mut self, _: u32, _: &Totals) -> Result<u64, GeneralProtection> {
        Err(GeneralProtection)
    }
    fn rdtsc(&mut self, totals: &Totals) -> u64 {
        totals.0[0][0] + totals.0[1][0]
    }
    fn cpuid(&mut self, _: u32, _: u32) -> [u32; 4] {
        [0; 4]
    }
    fn vmcall(
        &mut self,
        _: &[u64; 16],
        _: u64,
        _: u8,
        _: &mut Memory,
        _: &Totals,
    ) -> Result<(), InvalidOpcode> {
        Err(InvalidOpcode)
    }
    fn port_in(&mut self, _: u16, _: u8) -> Result<u32, Unclaimed> {
        Err(Unclaimed)
    }
    fn port_out(&mut self, _: u16, _: u8, _: u32) -> Result<(), Unclaimed> {
        Err(Unclaimed)
    }
}
