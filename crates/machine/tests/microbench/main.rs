// SPDX-License-Identifier: GPL-2.0-only
//! Latency and throughput of instruction forms, measured in the guest as people measure on silicon
//! (RDPMC around unrolled copies), beside what was measured on silicon (`measured.tsv`).
//! `UPDATE_EXPECT=1` renews docs/microbench.md.

mod assemble;
mod measure;

use std::collections::BTreeMap;
use std::fmt::Write;

use assemble::{CONSTANT, Choice, DESTINATIONS, Operand, Shape, general};
use iced_x86::{Code, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, Register};
use measure::cycles;
use timing::skylake::form::Table;

/// Copies in the loop: a multiple of the registers that destinations rotate over.
const COPIES: usize = 24;
const VECTORS: usize = 12;

/// A form as measured on silicon.
struct Measured {
    throughput: f64,
    /// Nobody measured it: it takes at least that long, by its ports and slots.
    bound: bool,
    latencies: BTreeMap<(String, String), f64>,
}

impl Measured {
    fn latency(&self, from: &str, to: &str) -> Option<f64> {
        self.latencies
            .get(&(from.to_owned(), to.to_owned()))
            .copied()
    }
}

fn measured() -> BTreeMap<String, Measured> {
    let lines = include_str!("measured.tsv").lines();
    let rows = lines.filter(|l| !l.starts_with('#')).skip(1);
    rows.map(|row| {
        let columns: Vec<&str> = row.split('\t').collect();
        let latencies = columns[2].split(',').filter(|p| !p.is_empty());
        let latencies = latencies.map(|part| {
            let (from, rest) = part.split_once('>').expect("input");
            let (to, cycles) = rest.split_once(':').expect("output");
            let cycles = cycles.parse().expect("cycles");
            ((from.to_owned(), to.to_owned()), cycles)
        });
        let row = Measured {
            throughput: columns[1]
                .trim_end_matches('+')
                .parse()
                .expect("throughput"),
            bound: columns[1].ends_with('+'),
            latencies: latencies.collect(),
        };
        (columns[0].to_owned(), row)
    })
    .collect()
}

/// One comparison: what, silicon's cycles, the model's.
struct Figure {
    what: &'static str,
    silicon: f64,
    model: f64,
    /// Not measured on silicon; the figure there is a lower bound.
    bound: bool,
}

impl Figure {
    /// Within a tenth or so many cycles, to either side.
    fn agrees(&self, cycles: f64) -> bool {
        let most = cycles.max(self.silicon / 10.0);
        (self.model - self.silicon).abs() <= most + 0.005
    }
}

/// The registers of a copy: destination `to`, source `from`.
fn choose(shape: &Shape, to: usize, from: usize) -> Choice {
    let register = |i: usize| if i == 0 { to } else { from };
    let constant = |i: usize| match shape.operands.get(i) {
        Some(Operand::Vector) if i > 0 && from == CONSTANT => VECTORS + 1,
        _ => register(i),
    };
    // MULX has two destinations.
    let second = if shape.code.mnemonic() == Mnemonic::Mulx {
        (to + 1) % DESTINATIONS
    } else {
        constant(1)
    };
    Choice {
        registers: [constant(0), second, constant(2)],
        memory: (Register::RDI, 0),
        immediate: 5,
    }
}

fn with(code: Code, a: Register, b: Register) -> Instruction {
    Instruction::with2(code, a, b).expect("an instruction of the benchmark")
}

/// Instructions that divide: their dividend is made new for each copy.
fn divides(shape: &Shape) -> bool {
    matches!(shape.code.mnemonic(), Mnemonic::Div | Mnemonic::Idiv)
}

/// What makes copies independent that share fixed registers or flags: values that depend on nothing.
fn breakers(instruction: &Instruction) -> Vec<Instruction> {
    let mut factory = InstructionInfoFactory::new();
    let info = factory.info(instruction);
    let both = |register: Register| {
        let mut used = info.used_registers().iter();
        let reads = |a| {
            matches!(
                a,
                OpAccess::Read | OpAccess::CondRead | OpAccess::ReadWrite | OpAccess::ReadCondWrite
            )
        };
        used.any(|u| u.register().full_register() == register && reads(u.access()))
    };
    let mut all = Vec::new();
    if both(Register::RAX) {
        all.push(with(Code::Mov_r32_rm32, Register::EAX, Register::R13D));
    }
    if both(Register::RDX) && instruction.op0_register().full_register() != Register::RDX {
        all.push(with(Code::Xor_r32_rm32, Register::EDX, Register::EDX));
    }
    let by_cl = (0..instruction.op_count()).any(|i| instruction.op_register(i) == Register::CL);
    if instruction.rflags_read() != 0 || by_cl {
        all.push(with(Code::Test_rm32_r32, Register::R13D, Register::R13D));
    }
    all
}

/// Independent copies.
fn throughput(shape: &Shape) -> Option<f64> {
    let mut start = Vec::new();
    // A string instruction or one of the stack moves its pointer: back to the start.
    start.push(with(Code::Mov_r64_rm64, Register::RSP, Register::R12));
    let strings = shape.operands.is_empty();
    if strings {
        for pointer in [Register::RSI, Register::RDI] {
            start.push(
                Instruction::with2(Code::Mov_r32_imm32, pointer.full_register32(), 0x20_0000)
                    .expect("MOV"),
            );
        }
    }
    let breakers = breakers(&shape.with(&choose(shape, 2, CONSTANT))?);
    let copy = |copy: usize| -> Option<Vec<Instruction>> {
        let mut body = breakers.clone();
        let vector = shape.operands.first() == Some(&Operand::Vector);
        let to = if divides(shape) {
            CONSTANT
        } else {
            copy % if vector { VECTORS } else { DESTINATIONS }
        };
        let mut choice = choose(shape, to, CONSTANT);
        choice.memory.1 = copy as i64 * 64;
        body.push(shape.with(&choice)?);
        Some(body)
    };
    let mut body = start;
    for n in 0..2 * COPIES {
        body.extend(copy(n)?);
    }
    Some(cycles(&body)? / (2 * COPIES) as f64)
}

/// Cycles of a link of a chain, each made by `link` from its number: the difference between a loop
/// of `COPIES` and one of twice as many, so that what the loop itself costs cancels out.
fn chain(link: impl Fn(usize) -> Option<Vec<Instruction>>) -> Option<f64> {
    let mut body = Vec::new();
    let mut found = [0.0; 2];
    for (half, found) in found.iter_mut().enumerate() {
        for n in 0..COPIES {
            body.extend(link(half * COPIES + n)?);
        }
        *found = cycles(&body)?;
    }
    Some((found[1] - found[0]) / COPIES as f64)
}

/// MOVQ from an XMM register to a general one, and back.
const OUT: Code = Code::Movq_rm64_xmm;
const IN: Code = Code::Movq_xmm_rm64;

/// A product of general register `n` with itself.
fn product(n: usize) -> Instruction {
    with(Code::Imul_r64_rm64, general(n, 8), general(n, 8))
}

/// How many of them stand in a link, and what they cost.
const fn products(behind_microcode: bool) -> (usize, f64) {
    if behind_microcode { (3, 9.0) } else { (0, 0.0) }
}

fn latencies(shape: &Shape, silicon: &Measured) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut add = |what, silicon: f64, model: Option<f64>| {
        if let Some(model) = model {
            figures.push(Figure {
                what,
                silicon,
                model,
                bound: false,
            });
        }
    };
    let class = |n: usize| {
        shape
            .register(n)
            .map(|i| (i, matches!(shape.operands[i], Operand::Vector)))
    };
    let first = shape.operands.first().copied();
    let fixed = |n: usize| {
        shape
            .register(n)
            .is_none_or(|i| matches!(shape.operands[i], Operand::Fixed(_)))
    };
    let own = silicon.latency("r0", "r0");
    let second = silicon.latency("r1", "r0");
    let swaps = silicon
        .latency("r1", "r1")
        .filter(|_| matches!(shape.code.mnemonic(), Mnemonic::Xchg | Mnemonic::Xadd));
    let to_register = matches!(first, Some(Operand::General(_) | Operand::Vector));
    let chainable = !divides(shape) && shape.code.mnemonic() != Mnemonic::Pop;
    if to_register
        && chainable
        && let Some(own) = own
    {
        let cross = silicon.latency("r0", "r1").unwrap_or(0.0) + second.unwrap_or(0.0);
        let expected = swaps.map_or(own, |b| own.max(b).max(cross / 2.0));
        // Behind the sequencer's uops a product gives the front end time to deliver.
        let slow = silicon.bound && matches!(first, Some(Operand::General(_)));
        let (products, cost) = products(slow);
        let model = chain(|_| {
            let mut link = vec![shape.with(&choose(shape, 0, CONSTANT))?];
            link.extend(std::iter::repeat_n(product(0), products));
            Some(link)
        });
        add("r0 to r0", expected, model.map(|c| c - cost));
    }
    let explicit = shape.registers() > 1 && !fixed(1) && to_register;
    if let Some(second) = second.filter(|_| explicit && swaps.is_none())
        && let (Some((_, to)), Some((_, from))) = (class(0), class(1))
    {
        if to == from {
            let expected = second.max(own.unwrap_or(0.0) / 2.0);
            let (products, cost) = products(silicon.bound && !to);
            let link = |k: usize| {
                let mut link = vec![shape.with(&choose(shape, k % 2, (k + 1) % 2))?];
                link.extend(std::iter::repeat_n(product(k % 2), products));
                Some(link)
            };
            add("r1 to r0", expected, chain(link).map(|c| c - cost));
        } else {
            // There and back; published figures take one cycle off for the way back.
            let back = if to {
                with(OUT, Register::RAX, Register::XMM0)
            } else {
                with(IN, Register::XMM0, Register::RAX)
            };
            let link = |_| Some(vec![shape.with(&choose(shape, 0, 0))?, back]);
            add("r1 to r0", second, chain(link).map(|c| c - 1.0));
        }
    }
    if let Some(address) = silicon
        .latency("a", "r0")
        .filter(|_| to_register && chainable)
    {
        let vector = first == Some(Operand::Vector);
        let narrow = Instruction::with2(Code::And_rm64_imm8, Register::RAX, 0).expect("AND");
        let lea = shape.code.mnemonic() == Mnemonic::Lea;
        let base = if lea { general(0, 8) } else { Register::RDI };
        let link = |_| {
            let mut choice = choose(shape, 0, CONSTANT);
            choice.memory = (base, 0);
            let mut all = vec![shape.with(&choice)?];
            if !lea {
                if vector {
                    all.push(with(OUT, Register::RAX, Register::XMM0));
                }
                all.push(narrow);
                all.push(with(Code::Add_r64_rm64, Register::RDI, Register::RAX));
            }
            Some(all)
        };
        // AND and ADD take a cycle each; the way from a vector is counted as above.
        let other = if lea {
            0.0
        } else {
            2.0 + f64::from(u8::from(vector))
        };
        add("address to r0", address, chain(link).map(|c| c - other));
    }
    if first == Some(Operand::Memory)
        && let Some(through) = silicon.latency("m", "m")
    {
        let model = chain(|_| Some(vec![shape.with(&choose(shape, 0, CONSTANT))?]));
        add("memory to memory", through, model);
    }
    // Products and quotients: from RAX and RDX to both.
    if shape.operands.len() == 1 && matches!(first, Some(Operand::General(_) | Operand::Memory)) {
        let n = shape.registers();
        let (a, d) = (format!("r{n}"), format!("r{}", n + 1));
        let names = [(&a, &a), (&d, &d), (&a, &d), (&d, &a)];
        let known = names.map(|(from, to)| silicon.latency(from, to).unwrap_or(0.0));
        let [aa, dd, ad, da] = known;
        let byte = shape.code.op_code().op_kind(0) == iced_x86::OpCodeOperandKind::r8_or_mem;
        let expected = match shape.code.mnemonic() {
            // AL and the product in AX are operands of their own.
            Mnemonic::Mul | Mnemonic::Imul if byte => Some(ad),
            // Flags come where RDX would.
            Mnemonic::Div | Mnemonic::Idiv if byte => Some(aa),
            Mnemonic::Mul | Mnemonic::Imul | Mnemonic::Div | Mnemonic::Idiv => {
                Some(aa.max(dd).max((ad + da) / 2.0))
            }
            _ => None,
        };
        if let Some(expected) = expected {
            let link = |_| Some(vec![shape.with(&choose(shape, CONSTANT, CONSTANT))?]);
            add("rax, rdx to themselves", expected, chain(link));
        }
    }
    figures
}

/// All forms that were measured on silicon and that the core executes.
fn suite() -> (BTreeMap<String, Vec<Figure>>, Vec<String>) {
    let silicon = measured();
    let table = Table::skylake();
    let mut done = BTreeMap::new();
    let mut others = Vec::new();
    for shape in Code::values().flat_map(Shape::of) {
        let Some(example) = shape.with(&choose(&shape, 0, CONSTANT)) else {
            continue;
        };
        let Some((key, _)) = table.entry(&example) else {
            continue;
        };
        let Some(row) = silicon.get(key).filter(|_| !done.contains_key(key)) else {
            continue;
        };
        let Some(model) = throughput(&shape) else {
            others.push(key.to_owned());
            continue;
        };
        let mut figures = vec![Figure {
            what: "throughput",
            silicon: row.throughput,
            model,
            bound: row.bound,
        }];
        figures.extend(latencies(&shape, row));
        done.insert(key.to_owned(), figures);
    }
    others.retain(|key| !done.contains_key(key));
    others.sort();
    others.dedup();
    (done, others)
}

const HEAD: &str = include_str!("head.md");

type Forms = BTreeMap<String, Vec<Figure>>;

/// The figures of a form that were measured on silicon.
fn compared(figures: &[Figure]) -> impl Iterator<Item = &Figure> {
    figures.iter().filter(|f| !f.bound)
}

/// Do all measured figures of a form agree?
fn good(figures: &[Figure], cycles: f64) -> bool {
    compared(figures).all(|f| f.agrees(cycles))
}

/// Of the forms of a kind with something measured: how many, and what share agrees, in percent.
fn share(forms: &Forms, kind: impl Fn(&[Figure]) -> bool, cycles: f64) -> (usize, f64) {
    let of_kind = || {
        let measured = forms.values().filter(|f| compared(f).next().is_some());
        measured.filter(|f| kind(f))
    };
    let all = of_kind().count();
    let agree = of_kind().filter(|f| good(f, cycles)).count();
    (all, agree as f64 * 100.0 / all as f64)
}

/// One row of the tables.
fn row(text: &mut String, key: &str, figures: &[Figure]) {
    let pair = |f: &Figure| {
        if f.bound {
            format!("no measurement / {:.2}", f.model)
        } else {
            format!("{} / {:.2}", f.silicon, f.model)
        }
    };
    let latencies: Vec<String> = figures[1..]
        .iter()
        .map(|f| format!("{} {}", f.what, pair(f)))
        .collect();
    let latencies = latencies.join("; ");
    let throughput = pair(&figures[0]);
    writeln!(text, "| `{key}` | {throughput} | {latencies} |").expect("text");
}

fn table(text: &mut String, forms: &Forms, kind: impl Fn(&[Figure]) -> bool) {
    text.push_str("\n| form | throughput | latencies |\n|---|---|---|\n");
    for (key, figures) in forms.iter().filter(|(_, f)| kind(f)) {
        row(text, key, figures);
    }
}

#[test]
fn forms_cost_what_they_cost_on_silicon() {
    let (forms, others) = suite();
    let figures: usize = forms.values().map(|f| compared(f).count()).sum();
    let (all, one) = share(&forms, |_| true, 1.0);
    let (_, quarter) = share(&forms, |_| true, 0.25);
    let (whole, with) = share(&forms, |f| !f[0].bound, 1.0);
    let (partly, without) = share(&forms, |f| f[0].bound, 1.0);
    let nothing = forms.len() - all;
    let mut text = HEAD.to_owned();
    write!(
        text,
        "\n**{one:.2} % of the {all} forms with a measurement agree within 10 % or one cycle, to either side, in every figure that was \
         measured** ({figures} figures); {quarter:.2} % within 10 % or a quarter of a cycle.\n\n\
         | forms | | agree |\n|---|---|---|\n\
         | throughput measured, and latencies where there are any | {whole} | {with:.2} % |\n\
         | *no measurement* of throughput, latencies alone | {partly} | {without:.2} % |\n\
         | *no measurement* at all: not counted | {nothing} | - |\n\n\
         ## Forms that do not agree within 10 % or one cycle\n",
    )
    .expect("text");
    table(&mut text, &forms, |f| !good(f, 1.0));
    text.push_str("\n## Forms without a measured throughput\n");
    table(&mut text, &forms, |f| f[0].bound);
    text.push_str("\n## All forms with a measured throughput\n");
    table(&mut text, &forms, |f| !f[0].bound);
    write!(
        text,
        "\n## Measured forms that the core does not execute\n\n{}: {}.\n",
        others.len(),
        others.join("; ")
    )
    .expect("text");
    expect_test::expect_file!["../../../../docs/microbench.md"].assert_eq(&text);
    assert!(forms.len() > 900, "only {} forms", forms.len());
    assert!(one >= 95.0 && with >= 95.0, "{one:.2} %, {with:.2} % agree");
    for (key, figures) in &forms {
        let Figure { silicon, model, .. } = figures[0];
        assert!(
            model > 0.9 * silicon - 1.0,
            "{key}: {model} below {silicon}, its ports and slots"
        );
    }
}
