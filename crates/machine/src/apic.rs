// SPDX-License-Identifier: GPL-2.0-only
//! The local APIC as far as interrupts of one package need it, in x2APIC mode (SDM vol. 3A, 11.12):
//! the LVTPC entry, requests and in-service vectors, task priority, EOI, and IPIs.
//!
//! Not here: timers (ticks are decisions of the run), logical destinations.

use abi::msr::{LVTPC_MASKED, X2APIC_EOI, X2APIC_ICR, X2APIC_LVTPC};

/// x2APIC self-IPI register.
const SELF_IPI: u32 = 0x83f;
/// x2APIC APIC ID register.
const APIC_ID: u32 = 0x802;
/// x2APIC task priority register; CR8 is its bits 7:4.
const TPR: u32 = 0x808;
/// Spurious interrupt vector register; accepted, without effect.
const SVR: u32 = 0x80f;
/// ICR destination shorthand field: none, self, all, all but self.
const SHORTHAND: u64 = 3 << 18;
const SHORTHAND_SELF: u64 = 1 << 18;
/// ICR destination mode logical.
const LOGICAL: u64 = 1 << 11;
/// ICR bits without meaning in x2APIC mode that must be zero: 12, 13, 16, 17, 20 to 31.
const ICR_RESERVED: u64 = 0xfff3_3000;
/// ICR and LVT delivery mode field.
const DELIVERY_MODE: u64 = 7 << 8;
/// Delivery mode NMI.
const MODE_NMI: u64 = 4 << 8;
/// Writable bits of LVTPC: vector, delivery mode, mask.
const LVTPC_WRITABLE: u64 = 0x1_07ff;

/// What a PMI request leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pmi {
    /// LVTPC is masked: dropped.
    Dropped,
    /// An NMI for this CPU.
    Nmi,
    /// A fixed interrupt, now requested.
    Fixed,
}

/// What an interprocessor interrupt does at its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IpiKind {
    /// Requests a vector.
    Fixed(u8),
    /// Requests an NMI.
    Nmi,
}

/// An interprocessor interrupt on its way to another CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ipi {
    /// APIC ID of the destination.
    pub(crate) to: u32,
    /// What it does there.
    pub(crate) kind: IpiKind,
}

/// One CPU's local APIC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apic {
    id: u32,
    /// Delivering a PMI sets LVTPC's mask bit: Intel does, AMD does not.
    masks_lvtpc: bool,
    lvtpc: u64,
    tpr: u8,
    requested: [u64; 4],
    in_service: [u64; 4],
}

impl Apic {
    pub(crate) fn new(id: u32, masks_lvtpc: bool) -> Self {
        Self {
            id,
            masks_lvtpc,
            lvtpc: LVTPC_MASKED,
            tpr: 0,
            requested: [0; 4],
            in_service: [0; 4],
        }
    }

    pub(crate) fn claims(msr: u32) -> bool {
        (0x800..0x900).contains(&msr)
    }

    /// RDMSR; `None` for a register that is not implemented or is write-only.
    pub(crate) fn read(&self, msr: u32) -> Option<u64> {
        match msr {
            APIC_ID => Some(u64::from(self.id)),
            X2APIC_LVTPC => Some(self.lvtpc),
            TPR => Some(u64::from(self.tpr)),
            _ => None,
        }
    }

    /// WRMSR; the interrupt that it sends to another CPU, if it does, or `None` for a value or
    /// register that the APIC refuses or that is not implemented.
    pub(crate) fn write(&mut self, msr: u32, value: u64) -> Option<Option<Ipi>> {
        match msr {
            X2APIC_LVTPC if value & !LVTPC_WRITABLE == 0 && deliverable(value) => {
                self.lvtpc = value;
            }
            TPR => self.tpr = u8::try_from(value).ok()?,
            X2APIC_EOI if value == 0 => self.end_of_interrupt(),
            SELF_IPI if value < 256 => self.request(value as u8),
            X2APIC_ICR => return self.send(value),
            SVR => {}
            _ => return None,
        }
        Some(None)
    }

    /// A write to ICR: fixed to this CPU, or fixed or NMI to another one by its APIC ID.
    fn send(&mut self, icr: u64) -> Option<Option<Ipi>> {
        let kind = match icr & DELIVERY_MODE {
            0 => IpiKind::Fixed(icr as u8),
            MODE_NMI => IpiKind::Nmi,
            _ => return None,
        };
        let to = (icr >> 32) as u32;
        let own = icr & SHORTHAND == SHORTHAND_SELF || (icr & SHORTHAND == 0 && to == self.id);
        if icr & (ICR_RESERVED | LOGICAL) != 0 {
            return None;
        }
        match kind {
            IpiKind::Fixed(vector) if own => {
                self.request(vector);
                Some(None)
            }
            _ if icr & SHORTHAND == 0 => Some(Some(Ipi { to, kind })),
            _ => None,
        }
    }

    /// A counter with its interrupt bit set overflowed. Delivery sets the mask bit on Intel.
    pub(crate) fn pmi(&mut self) -> Pmi {
        if self.lvtpc & LVTPC_MASKED != 0 {
            return Pmi::Dropped;
        }
        if self.masks_lvtpc {
            self.lvtpc |= LVTPC_MASKED;
        }
        if self.lvtpc & DELIVERY_MODE == MODE_NMI {
            Pmi::Nmi
        } else {
            self.request(self.lvtpc as u8);
            Pmi::Fixed
        }
    }

    /// Whether this vector is requested and not yet taken.
    pub(crate) fn requests(&self, vector: u8) -> bool {
        self.requested[usize::from(vector >> 6)] & 1 << (vector & 63) != 0
    }

    /// Requests an interrupt.
    pub(crate) fn request(&mut self, vector: u8) {
        self.requested[usize::from(vector >> 6)] |= 1 << (vector & 63);
    }

    /// The vector that would be delivered now: the highest requested one of a higher priority
    /// class than the task's and than everything in service.
    pub(crate) fn deliverable(&self) -> Option<u8> {
        let vector = highest(&self.requested)?;
        match highest(&self.in_service).unwrap_or(0).max(self.tpr) >> 4 {
            0 => Some(vector),
            class => (vector >> 4 > class).then_some(vector),
        }
    }

    /// The core takes `vector`.
    pub(crate) fn accept(&mut self, vector: u8) {
        self.requested[usize::from(vector >> 6)] &= !(1 << (vector & 63));
        self.in_service[usize::from(vector >> 6)] |= 1 << (vector & 63);
    }

    fn end_of_interrupt(&mut self) {
        if let Some(vector) = highest(&self.in_service) {
            self.in_service[usize::from(vector >> 6)] &= !(1 << (vector & 63));
        }
    }

    pub(crate) fn digest_words(&self, out: &mut Vec<u64>) {
        out.push(self.lvtpc);
        out.extend(self.requested);
        out.extend(self.in_service);
        // Machines that leave it alone keep their digests.
        if self.tpr != 0 {
            out.extend([u64::from_le_bytes(*b"priority"), u64::from(self.tpr)]);
        }
    }
}

/// Fixed and NMI; SMI, INIT and external interrupts have nobody to go to here.
fn deliverable(lvt: u64) -> bool {
    matches!(lvt & DELIVERY_MODE, 0 | MODE_NMI)
}

fn highest(bits: &[u64; 4]) -> Option<u8> {
    (0..4u8)
        .rev()
        .find(|&word| bits[usize::from(word)] != 0)
        .map(|word| word * 64 + (63 - bits[usize::from(word)].leading_zeros()) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::msr::LVTPC_NMI;

    #[test]
    fn a_pmi_masks_the_entry_until_the_handler_writes_it() {
        let mut apic = Apic::new(0, true);
        assert_eq!(apic.pmi(), Pmi::Dropped, "masked after reset");
        apic.write(X2APIC_LVTPC, LVTPC_NMI).unwrap();
        assert_eq!(apic.pmi(), Pmi::Nmi);
        assert_eq!(apic.pmi(), Pmi::Dropped);
        assert_eq!(apic.read(X2APIC_LVTPC), Some(LVTPC_NMI | LVTPC_MASKED));
        apic.write(X2APIC_LVTPC, LVTPC_NMI).unwrap();
        assert_eq!(apic.pmi(), Pmi::Nmi);
    }

    #[test]
    fn amd_does_not_mask() {
        let mut apic = Apic::new(0, false);
        apic.write(X2APIC_LVTPC, LVTPC_NMI).unwrap();
        assert_eq!((apic.pmi(), apic.pmi()), (Pmi::Nmi, Pmi::Nmi));
        assert_eq!(apic.read(X2APIC_LVTPC), Some(LVTPC_NMI));
    }

    #[test]
    fn fixed_delivery_requests_the_vector_and_masks() {
        let mut apic = Apic::new(0, true);
        apic.write(X2APIC_LVTPC, 0xe3).unwrap();
        assert_eq!(apic.pmi(), Pmi::Fixed);
        assert_eq!(apic.deliverable(), Some(0xe3));
        assert_eq!(apic.read(X2APIC_LVTPC), Some(0xe3 | LVTPC_MASKED));
        assert_eq!(apic.pmi(), Pmi::Dropped);
    }

    #[test]
    fn other_delivery_modes_are_refused() {
        let mut apic = Apic::new(0, true);
        for mode in [1, 2, 3, 5, 6, 7] {
            assert_eq!(apic.write(X2APIC_LVTPC, mode << 8), None);
        }
        assert_eq!(apic.read(X2APIC_LVTPC), Some(LVTPC_MASKED), "unchanged");
    }

    #[test]
    fn a_lower_class_waits_for_end_of_interrupt() {
        let mut apic = Apic::new(0, true);
        apic.request(0xec);
        apic.accept(0xec);
        apic.request(0x41);
        assert_eq!(apic.deliverable(), None);
        apic.request(0xf6);
        assert_eq!(apic.deliverable(), Some(0xf6));
        apic.accept(0xf6);
        apic.write(X2APIC_EOI, 0).unwrap();
        apic.write(X2APIC_EOI, 0).unwrap();
        assert_eq!(apic.deliverable(), Some(0x41));
    }

    #[test]
    fn the_task_priority_holds_its_class_and_those_below_back() {
        let mut apic = Apic::new(0, true);
        apic.request(0x4f);
        assert_eq!(apic.write(TPR, 0x40), Some(None));
        assert_eq!(apic.deliverable(), None);
        apic.request(0x50);
        assert_eq!(apic.deliverable(), Some(0x50));
        assert_eq!(apic.write(TPR, 0x3f), Some(None));
        apic.accept(0x50);
        apic.write(X2APIC_EOI, 0).unwrap();
        assert_eq!(apic.deliverable(), Some(0x4f));
        assert_eq!(apic.write(TPR, 0x100), None, "reserved bits");
        assert_eq!(apic.read(TPR), Some(0x3f));
    }

    #[test]
    fn an_ipi_goes_by_apic_id() {
        let mut apic = Apic::new(1, true);
        let sent = apic.write(X2APIC_ICR, 2 << 32 | 0xfb).unwrap();
        let kind = IpiKind::Fixed(0xfb);
        assert_eq!(sent, Some(Ipi { to: 2, kind }));
        assert_eq!(apic.deliverable(), None);
        assert_eq!(apic.write(X2APIC_ICR, 1 << 32 | 0xfb), Some(None));
        assert_eq!(apic.deliverable(), Some(0xfb), "to itself by its own ID");
        let nmi = apic.write(X2APIC_ICR, MODE_NMI).unwrap();
        assert_eq!(
            nmi,
            Some(Ipi {
                to: 0,
                kind: IpiKind::Nmi
            })
        );
    }

    #[test]
    fn reserved_bits_and_unknown_registers_are_refused() {
        let mut apic = Apic::new(0, true);
        assert_eq!(apic.write(X2APIC_LVTPC, 1 << 32), None);
        assert_eq!(apic.write(X2APIC_EOI, 1), None);
        assert_eq!(apic.write(0x899, 0), None);
        assert_eq!(apic.write(X2APIC_ICR, 1 << 32 | 5 << 8), None, "INIT");
        assert_eq!(
            apic.write(X2APIC_ICR, 3 << 18 | 0xfb),
            None,
            "to all others"
        );
        assert_eq!(apic.read(X2APIC_EOI), None);
    }
}
