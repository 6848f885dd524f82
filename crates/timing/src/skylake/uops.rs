// SPDX-License-Identifier: GPL-2.0-only
//! The uops of one instruction: loads, a chain that computes, stores.

use super::form::{Form, Latency, Place, PortUops};
use super::lower::{Flow, Kind, Lowered, MemoryOperand, Uop, push};
use super::resource::Resource;
use iced_x86::{Instruction, Mnemonic, OpKind, Register};

const LOAD: u8 = 1 << 2 | 1 << 3;
const STORE_ADDRESS: u8 = LOAD | 1 << 7;
const STORE_DATA: u8 = 1 << 4;
/// Any arithmetic of general registers.
const ANY: u8 = 0b110_0011;
/// Cycles from contents of memory to contents of memory (through the store buffer and back) beyond
/// what is computed in between: ADD takes four (uops.info).
const THROUGH_STORE: u16 = 3;
/// Cycles from the dispatch of a load to its data in a general register (uiCA).
pub(super) const LOAD_CYCLES: u16 = 5;

/// Same-register compares to equal: all ones, whatever the register held.
fn ones_idiom(m: Mnemonic) -> bool {
    use Mnemonic as M;
    matches!(
        m,
        M::Pcmpeqb
            | M::Pcmpeqw
            | M::Pcmpeqd
            | M::Pcmpeqq
            | M::Vpcmpeqb
            | M::Vpcmpeqw
            | M::Vpcmpeqd
            | M::Vpcmpeqq
    )
}

/// What a latency from an address leaves once the load has its data. To a vector register it was
/// measured with the way back to an address, with one cycle taken off for that, which takes two
/// (MOVQ).
fn beyond_load(instruction: &Instruction, size: u16, output: Resource, cycles: u16) -> u16 {
    let back = u16::from(output.is_vector());
    cycles.saturating_sub(load_cycles(instruction, size) + back)
}

/// The longest latency to an output from a register or a LEA address; else what the memory
/// latency leaves after the load.
fn latency_to(form: &Form, output: Place, beyond: impl Fn(u16) -> u16) -> u16 {
    let to = || form.latencies.iter().filter(|l| l.output == output);
    if let Some(max) = to()
        .filter(|l| l.input != Place::Memory)
        .map(|l| l.cycles)
        .max()
    {
        return max;
    }
    if let Some(all) = form.latency {
        return all.max(1);
    }
    to().map(|l| beyond(l.cycles).max(1)).max().unwrap_or(1)
}

fn latency_from(form: &Form, input: Option<u8>) -> Option<u16> {
    let input = Place::Register(input?);
    form.latencies
        .iter()
        .filter(|l| l.input == input && matches!(l.output, Place::Register(_)))
        .map(|l| l.cycles)
        .max()
}

/// Has the instruction a vector register operand?
fn vector(instruction: &Instruction) -> bool {
    (0..instruction.op_count()).any(|i| {
        instruction.op_kind(i) == OpKind::Register
            && instruction.op_register(i).is_vector_register()
    })
}

/// Does it bring a value from a general register to a vector register or back?
fn crosses(instruction: &Instruction) -> bool {
    let mut registers = (0..instruction.op_count())
        .filter(|&i| instruction.op_kind(i) == OpKind::Register)
        .map(|i| instruction.op_register(i));
    vector(instruction) && registers.any(Register::is_gpr)
}

/// Cycles of a load by what it loads into: LLVM's 5 general, 6 XMM (5 scalar), 7 YMM.
fn load_cycles(instruction: &Instruction, size: u16) -> u16 {
    match (vector(instruction), size) {
        (true, 9..=16) => 6,
        (true, 17..) => 7,
        _ => LOAD_CYCLES,
    }
}

pub(super) fn uops(
    lowered: &mut Lowered,
    instruction: &Instruction,
    form: &Form,
    flow: &Flow,
    ports: &[PortUops],
    same: bool,
) {
    let indexed = instruction.memory_index() != Register::None;
    let ports = if indexed && ports == form.ports.as_slice() {
        &form.indexed_ports
    } else {
        ports
    };
    let count = |set: u8| -> u16 {
        ports
            .iter()
            .filter(|p| p.ports == set)
            .map(|p| p.count)
            .sum()
    };
    let stores = count(STORE_DATA);
    let addresses_anywhere = count(STORE_ADDRESS).min(stores);
    let reading: Vec<u8> = numbers(&lowered.memory, |m| m.read);
    // CMPXCHG16B has fewer such uops than loads and stores: one address serves both halves.
    let loads = count(LOAD)
        .saturating_sub(stores - addresses_anywhere)
        .max(u16::from(!reading.is_empty()).min(count(LOAD)));
    let addresses = stores.min(count(LOAD) + addresses_anywhere - loads);
    let writing: Vec<u8> = numbers(&lowered.memory, |m| m.write);
    let mut address = flow.address.clone();
    let string = instruction.is_string_instruction();
    // RSI and RDI of a string instruction.
    let pointers: Vec<Resource> = flow
        .outputs
        .iter()
        .map(|o| o.0)
        .filter(|r| string && matches!(r.0, 6 | 7))
        .collect();
    if address.is_empty() && (string || instruction.mnemonic() == Mnemonic::Leave) {
        address = flow
            .inputs
            .iter()
            .map(|i| i.0)
            .filter(|r| matches!(r.0, 4..=7))
            .collect();
    }
    let lea = instruction.mnemonic() == Mnemonic::Lea;
    let simple = !indexed
        && instruction.memory_base().is_gpr64()
        && instruction.memory_displacement64() < 2048;
    let data = Resource::temporary(0);
    let stored = Resource::temporary(15);
    let mut compute: Vec<u8> = ports
        .iter()
        .filter(|p| !matches!(p.ports, LOAD | STORE_ADDRESS | STORE_DATA))
        .flat_map(|p| std::iter::repeat_n(p.ports, usize::from(p.count)))
        .collect();
    let mut outputs = flow.outputs.clone();
    let mut inputs = flow.inputs.clone();
    for &pointer in &pointers {
        // It moves on its own, whatever is loaded.
        let Some(at) = compute.iter().position(|&p| p == ANY) else {
            break;
        };
        compute.remove(at);
        outputs.retain(|o| o.0 != pointer);
        inputs.retain(|i| i.0 != pointer);
        lowered.uops.push(Uop {
            kind: Kind::Compute,
            ports: ANY,
            inputs: vec![pointer],
            outputs: vec![(pointer, 1)],
            divider: 0,
            simple_address: false,
            vector: false,
        });
    }
    for n in 0..loads {
        let operand = reading.get(usize::from(n)).copied();
        let size = operand.map_or(8, |o| lowered.memory[usize::from(o)].size);
        let cycles = load_cycles(instruction, size);
        let made = if compute.is_empty() && stores == 0 {
            outputs.iter().map(|o| (o.0, cycles)).collect()
        } else {
            vec![(data, cycles)]
        };
        lowered.uops.push(Uop {
            kind: operand.map_or(Kind::Compute, Kind::Load),
            ports: LOAD,
            inputs: address.clone(),
            outputs: if n == 0 { made } else { Vec::new() },
            divider: 0,
            simple_address: simple,
            vector: vector(instruction),
        });
    }
    if lea {
        inputs.extend(flow.address.iter().map(|&r| (r, None)));
    }
    if same && ones_idiom(instruction.mnemonic()) {
        inputs.retain(|i| i.0 == Resource::CARRY);
    }
    chain(
        lowered,
        instruction,
        form,
        &inputs,
        &outputs,
        &compute,
        ((loads > 0).then_some(data), (stores > 0).then_some(stored)),
    );
    for n in 0..stores {
        let operand = writing.get(usize::from(n)).copied();
        let source = if !compute.is_empty() {
            vec![stored]
        } else if loads > 0 {
            vec![data]
        } else {
            inputs.iter().map(|i| i.0).collect()
        };
        if n < addresses {
            lowered.uops.push(Uop {
                kind: operand.map_or(Kind::Compute, Kind::StoreAddress),
                ports: if n < addresses_anywhere && !indexed {
                    STORE_ADDRESS
                } else {
                    LOAD
                },
                inputs: address.clone(),
                outputs: Vec::new(),
                divider: 0,
                simple_address: false,
                vector: false,
            });
        }
        lowered.uops.push(Uop {
            kind: operand.map_or(Kind::Compute, Kind::StoreData),
            ports: STORE_DATA,
            inputs: source,
            outputs: Vec::new(),
            divider: 0,
            simple_address: false,
            vector: false,
        });
    }
}

fn numbers(memory: &[MemoryOperand], which: impl Fn(&MemoryOperand) -> bool) -> Vec<u8> {
    (0..memory.len())
        .filter(|&i| which(&memory[i]))
        .map(|i| i as u8)
        .collect()
}

/// Lays the computing uops in a chain: from what was loaded (`data`) to what a store writes
/// (`stored`).
fn chain(
    lowered: &mut Lowered,
    instruction: &Instruction,
    form: &Form,
    inputs: &[(Resource, Option<u8>)],
    outputs: &[(Resource, Option<u8>)],
    ports: &[u8],
    (data, stored): (Option<Resource>, Option<Resource>),
) {
    if ports.is_empty() {
        return;
    }
    let general = !vector(instruction);
    let crosses = crosses(instruction);
    let size = lowered.memory.iter().map(|m| m.size).max().unwrap_or(8);
    let to = |(resource, n): (Resource, Option<u8>)| {
        let output = Place::Register(n.unwrap_or(u8::MAX));
        let beyond = |cycles| beyond_load(instruction, size, resource, cycles);
        let mut direct = latency_to(form, output, beyond);
        // What is loaded may take longer than what the registers bring (LZCNT, CVTSD2SS).
        if form.divider == 0 {
            let from_memory = |l: &&Latency| l.input == Place::Memory && l.output == output;
            let after = form.latencies.iter().filter(from_memory);
            let after = after.map(|l| beyond(l.cycles)).max();
            direct = direct.max(after.unwrap_or(0));
        }
        // Between the register files a figure was measured there and back, with one cycle taken
        // off for the way back, which takes two (MOVQ).
        if crosses {
            direct = direct.saturating_sub(1).max(1);
        }
        direct.max(u16::from(form.ports.is_empty()))
    };
    let total = outputs.iter().map(|&o| to(o)).max().unwrap_or(1).max(1);
    let stages = ports.len().min(usize::from(total)) as u16;
    let first = lowered.uops.len();
    // The last uop takes as long as the input needs that joins last; those before share the rest.
    let needs = inputs
        .iter()
        .map(|&(_, n)| latency_from(form, n).unwrap_or(total))
        .filter(|&n| n > 0)
        .min()
        .unwrap_or(total);
    let last = needs.clamp(1, total - (stages - 1));
    let before = (total - last).checked_div(stages - 1).unwrap_or(0);
    let begins = |j: u16| {
        if j + 1 == stages {
            total - last
        } else {
            before * j
        }
    };
    let ends = |j: u16| {
        if j + 1 == stages {
            total
        } else {
            begins(j + 1)
        }
    };
    for (j, &set) in ports.iter().enumerate() {
        lowered.uops.push(Uop {
            kind: Kind::Compute,
            ports: set,
            inputs: Vec::new(),
            outputs: Vec::new(),
            divider: 0,
            simple_address: false,
            vector: false,
        });
        let j = j as u16;
        if j > 0 && j < stages {
            let link = Resource::temporary(1 + j as u8 % 14);
            lowered.uops[first + usize::from(j)].inputs.push(link);
            let cycles = begins(j) - begins(j - 1);
            lowered.uops[first + usize::from(j) - 1]
                .outputs
                .push((link, cycles));
        }
    }
    let joins = |need: u16| {
        let late = (0..stages).rev().find(|&j| begins(j) + need <= total);
        first + usize::from(late.unwrap_or(0))
    };
    // An input that is merged into itself only (flags of a shift by CL) joins at the end.
    let spares = |n: Option<u8>| {
        let input = n.map(Place::Register);
        let from = || form.latencies.iter().filter(|l| Some(l.input) == input);
        let elsewhere = |l: &Latency| {
            l.cycles > 0 && l.output != l.input && matches!(l.output, Place::Register(_))
        };
        stages > 1 && from().any(|l| l.cycles == 0) && !from().any(elsewhere)
    };
    for &(resource, n) in inputs {
        let need = latency_from(form, n).unwrap_or(total).min(total);
        let at = if spares(n) {
            first + usize::from(stages - 1)
        } else {
            joins(need)
        };
        push(&mut lowered.uops[at].inputs, resource);
    }
    let mut joined = 0;
    if let Some(data) = data {
        let beyond = |l: &Latency| {
            let output = outputs
                .iter()
                .find(|o| o.1.map(Place::Register) == Some(l.output))?;
            Some(beyond_load(instruction, size, output.0, l.cycles))
        };
        let need = form
            .latencies
            .iter()
            .filter(|l| l.input == Place::Memory)
            .filter_map(beyond)
            .max()
            .unwrap_or(total)
            .min(total);
        let at = joins(need);
        lowered.uops[at].inputs.push(data);
        joined = (at - first) as u16;
    }
    for &(resource, n) in outputs {
        let wanted = to((resource, n)).max(1);
        let j = (0..stages)
            .find(|&j| ends(j) >= wanted)
            .unwrap_or(stages - 1);
        let cycles = wanted.saturating_sub(begins(j)).max(1);
        lowered.uops[first + usize::from(j)]
            .outputs
            .push((resource, cycles));
    }
    if let Some(stored) = stored {
        // What is stored leaves where the way through memory says; else the last uop of the chain.
        let through = |l: &&Latency| l.input == Place::Data && l.output == Place::Memory;
        let through = form.latencies.iter().find(through);
        let early = through
            .filter(|_| data.is_some() && general)
            .map(|l| begins(joined) + l.cycles.saturating_sub(THROUGH_STORE).max(1));
        let (j, cycles) = match early {
            Some(end) => {
                let j = (joined..stages).find(|&j| ends(j) >= end);
                let j = j.unwrap_or(stages - 1);
                (j, end.saturating_sub(begins(j)).max(1))
            }
            None => (stages - 1, last),
        };
        lowered.uops[first + usize::from(j)]
            .outputs
            .push((stored, cycles));
    }
    let held = form
        .divider
        .max(if form.divider > 0 { form.interval } else { 0 });
    if held > 0
        && let Some(uop) = lowered.uops[first..].iter_mut().find(|u| u.ports == 1)
    {
        uop.divider = held;
    }
}
