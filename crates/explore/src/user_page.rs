// SPDX-License-Identifier: GPL-2.0-only
//! The reader of the user page: the loop that `struct perf_event_mmap_page` documents, as machine
//! code at CPL 3.
//!
//! Sequence count, index and offset are loaded; with an index the counter is read by RDPMC, sign-
//! extended from `pmc_width` and added; all again if the sequence count has moved. The value goes to
//! the host by a private system call.

use std::sync::Arc;

use abi::syscall;
use iced_x86::{Code, Instruction, MemoryOperand, Register};
use machine::Look;

use crate::assemble::{AssembleError, Assembler, page_addr};

/// Offsets in the user page (include/uapi/linux/perf_event.h).
const LOCK: i64 = 8;
const INDEX: i64 = 12;
const OFFSET: i64 = 16;
const CAPABILITIES: i64 = 40;
const PMC_WIDTH: i64 = 48;
/// `cap_user_rdpmc`.
const CAP_USER_RDPMC: i32 = 1 << 2;
/// JE rel8.
const JE: u8 = 0x74;

fn field(offset: i64) -> MemoryOperand {
    MemoryOperand::with_base_displ(Register::RSI, offset)
}

impl Assembler<'_> {
    /// Reads the event at this position and tells the value.
    pub(crate) fn user_read(
        &mut self,
        index: usize,
        id: &str,
        at: usize,
    ) -> Result<(), AssembleError> {
        use Register::{CL, EAX, ECX, R8D, R9, RAX, RDI, RDX, RSI};

        let page = MemoryOperand::with_displ(page_addr(at), 8);
        self.emit(&Instruction::with2(Code::Mov_RAX_moffs64, RAX, page)?)?;
        self.emit(&Instruction::with2(Code::Mov_r64_rm64, RSI, RAX)?)?;
        let again = self.here();
        self.emit(&Instruction::with2(Code::Mov_r32_rm32, R8D, field(LOCK))?)?;
        self.emit(&Instruction::with2(Code::Mov_r32_rm32, ECX, field(INDEX))?)?;
        self.look(id, false);
        self.emit(&Instruction::with2(Code::Mov_r64_rm64, R9, field(OFFSET))?)?;
        self.emit(&Instruction::with2(Code::Test_rm32_r32, ECX, ECX)?)?;
        let no_index = self.jump_later();
        self.emit(&Instruction::with2(
            Code::Mov_r32_rm32,
            EAX,
            field(CAPABILITIES),
        )?)?;
        self.emit(&Instruction::with2(
            Code::Test_rm32_imm32,
            EAX,
            CAP_USER_RDPMC,
        )?)?;
        let no_rdpmc = self.jump_later();
        self.emit(&Instruction::with1(Code::Dec_rm32, ECX)?)?;
        self.look(id, true);
        self.emit(&Instruction::with(Code::Rdpmc))?;
        self.emit(&Instruction::with2(Code::Shl_rm64_imm8, RDX, 32)?)?;
        self.emit(&Instruction::with2(Code::Or_r64_rm64, RAX, RDX)?)?;
        let width = field(PMC_WIDTH);
        self.emit(&Instruction::with2(Code::Movzx_r32_rm16, ECX, width)?)?;
        self.emit(&Instruction::with1(Code::Neg_rm32, ECX)?)?;
        self.emit(&Instruction::with2(Code::Add_rm32_imm8, ECX, 64)?)?;
        self.emit(&Instruction::with2(Code::Shl_rm64_CL, RAX, CL)?)?;
        self.emit(&Instruction::with2(Code::Sar_rm64_CL, RAX, CL)?)?;
        self.emit(&Instruction::with2(Code::Add_r64_rm64, R9, RAX)?)?;
        self.land(no_index);
        self.land(no_rdpmc);
        self.emit(&Instruction::with2(Code::Cmp_r32_rm32, R8D, field(LOCK))?)?;
        self.emit(&Instruction::with_branch(Code::Jne_rel8_64, again)?)?;

        self.emit(&Instruction::with2(Code::Mov_r64_rm64, RSI, R9)?)?;
        self.load_slot(at)?;
        self.emit(&Instruction::with2(Code::Mov_r64_rm64, RDI, RAX)?)?;
        self.call(index, syscall::USER_VALUE)
    }

    /// The next instruction reads a count, from a `counter` or else from the page.
    fn look(&mut self, id: &str, counter: bool) {
        self.looks.push(Look {
            rip: self.here(),
            event: Arc::from(id),
            counter,
        });
    }

    /// A JE forward, to a place that is not known yet.
    fn jump_later(&mut self) -> usize {
        self.text.extend([JE, 0]);
        self.text.len()
    }

    /// That place is here.
    fn land(&mut self, behind: usize) {
        let distance = self.text.len() - behind;
        self.text[behind - 1] =
            i8::try_from(distance).expect("the loop is shorter than 128 bytes") as u8;
    }
}
