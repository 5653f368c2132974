//! Makes a filter shorter without changing its results.
//!
//! libseccomp tests one system call after the other. For Docker's default profile that is 1001 instructions, and the kernel runs them for every call
//! number of both ABIs when the filter is loaded: 0.7 ms (0.24 ms with libseccomp's binary tree of 1246 instructions). But most results depend only
//! on architecture and number, and neighbouring numbers have the same result. So the filter is evaluated for each architecture and each range of
//! numbers between two constants of the filter, as far as that is possible without the arguments, and written again as a binary search over the
//! ranges: 356 instructions, 0.09 ms.

use std::collections::{BTreeSet, HashMap, HashSet};

use tsrunc_sys::seccomp::Instruction;

use super::bpf::{step, test, Step, AND, ARCHITECTURE, JUMP, JUMP_EQUAL, JUMP_GREATER_EQUAL, JUMP_SET, LOAD, NUMBER, RETURN};

/// Limit of consecutive tests of arguments: more than any profile has, and few enough for the stack.
const MAX_DEPTH: u32 = 1000;

/// The same filter, shorter. None if it contains something that libseccomp does not generate.
pub fn flatten(program: &[Instruction]) -> Option<Vec<Instruction>> {
    let program: Vec<Step> = program.iter().copied().map(Step::decode).collect();
    let constants = Constants::of(&program)?;
    let mut graph = Graph::default();
    let other = (0..).find(|value| !constants.architectures.contains(value))?;
    let mut entry = graph.numbers(&program, &constants, other)?;
    // Keeps the order in which the program tests architectures.
    for value in constants.architectures.iter().rev() {
        let numbers = graph.numbers(&program, &constants, *value)?;
        entry = graph.node(Node::Test { code: JUMP_EQUAL, k: *value, yes: numbers, no: entry });
    }
    let entry = graph.node(Node::Load { offset: ARCHITECTURE, next: entry });
    let mut code = Code { graph: &graph, backwards: Vec::new(), places: HashMap::new() };
    code.place(entry);
    Some(code.backwards.into_iter().rev().map(Step::encode).collect())
}

/// What the accumulator contains before an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Zero,
    Architecture,
    Number,
    Other,
}

/// The constants that a program compares architecture and number with.
struct Constants {
    /// In the order of the program.
    architectures: Vec<u32>,
    /// The starts of the ranges of numbers; the first is 0.
    starts: BTreeSet<u32>,
}

impl Constants {
    /// None for an unknown instruction, a mask on architecture or number, and a test of architectures other than for equality.
    fn of(program: &[Step]) -> Option<Self> {
        let mut constants = Constants { architectures: Vec::new(), starts: BTreeSet::from([0]) };
        let mut seen = HashSet::new();
        let mut open = vec![(0, Kind::Zero)];
        while let Some((at, kind)) = open.pop() {
            if !seen.insert((at, kind)) {
                continue;
            }
            let step = program.get(at)?;
            match (step.code, kind) {
                (LOAD, _) => open.push((at + 1, kind_at(step.k))),
                (AND, Kind::Other) => open.push((at + 1, Kind::Other)),
                (JUMP, _) => open.push((at + 1 + step.k as usize, kind)),
                (RETURN, _) => {}
                _ => {
                    step.holds(0)?;
                    match kind {
                        Kind::Zero => return None,
                        Kind::Architecture if step.code != JUMP_EQUAL => return None,
                        Kind::Architecture if constants.architectures.contains(&step.k) => {}
                        Kind::Architecture => constants.architectures.push(step.k),
                        Kind::Number if step.code == JUMP_SET => return None,
                        Kind::Number => constants.starts.extend([step.k, step.k.saturating_add(1)]),
                        Kind::Other => {}
                    }
                    // Pushed in this order, so that the branch of a test that holds is visited first.
                    open.push((at + 1 + usize::from(step.no), kind));
                    open.push((at + 1 + usize::from(step.yes), kind));
                }
            }
        }
        Some(constants)
    }
}

fn kind_at(offset: u32) -> Kind {
    match offset {
        NUMBER => Kind::Number,
        ARCHITECTURE => Kind::Architecture,
        _ => Kind::Other,
    }
}

/// A step of the new filter with its successors. Equal nodes are shared.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Node {
    Return(u32),
    Load { offset: u32, next: usize },
    And { mask: u32, next: usize },
    Test { code: u16, k: u32, yes: usize, no: usize },
}

#[derive(Default)]
struct Graph {
    nodes: Vec<Node>,
    known: HashMap<Node, usize>,
}

impl Graph {
    fn node(&mut self, node: Node) -> usize {
        if let Node::Test { yes, no, .. } = node {
            if yes == no {
                return yes;
            }
        }
        *self.known.entry(node).or_insert_with(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        })
    }

    /// The decision for one architecture: a search over the ranges of numbers.
    fn numbers(&mut self, program: &[Step], constants: &Constants, architecture: u32) -> Option<usize> {
        let mut ranges: Vec<(u32, usize)> = Vec::new();
        for number in &constants.starts {
            let mut trace = Trace { program, architecture, number: *number, places: HashMap::new() };
            let answer = trace.from(self, 0, Some(0), 0)?;
            if ranges.last().is_none_or(|(_, last)| *last != answer) {
                ranges.push((*number, answer));
            }
        }
        let search = self.search(&ranges);
        Some(match self.nodes[search] {
            Node::Return(_) => search,
            _ => self.node(Node::Load { offset: NUMBER, next: search }),
        })
    }

    fn search(&mut self, ranges: &[(u32, usize)]) -> usize {
        if let [(_, answer)] = ranges {
            return *answer;
        }
        let (lower, upper) = ranges.split_at(ranges.len() / 2);
        let (no, yes) = (self.search(lower), self.search(upper));
        self.node(Node::Test { code: JUMP_GREATER_EQUAL, k: upper[0].0, yes, no })
    }
}

/// Evaluates the program for one architecture and one range of numbers. Uses the first number of the range; the others give the same result, because
/// no constant lies between them.
struct Trace<'a> {
    program: &'a [Step],
    architecture: u32,
    number: u32,
    places: HashMap<(usize, Option<u32>), usize>,
}

impl Trace<'_> {
    /// Evaluates the program from an instruction on. `accumulator` is None if it depends on the arguments.
    fn from(&mut self, graph: &mut Graph, start: usize, mut accumulator: Option<u32>, depth: u32) -> Option<usize> {
        if depth > MAX_DEPTH {
            return None;
        }
        if let Some(node) = self.places.get(&(start, accumulator)) {
            return Some(*node);
        }
        let entered = (start, accumulator);
        let mut at = start;
        let node = loop {
            let step = self.program.get(at)?;
            let next = at + 1;
            match (step.code, accumulator) {
                (RETURN, _) => break graph.node(Node::Return(step.k)),
                (JUMP, _) => at = next + step.k as usize,
                (LOAD, _) => {
                    accumulator = Some(match kind_at(step.k) {
                        Kind::Number => self.number,
                        Kind::Architecture => self.architecture,
                        _ => {
                            let next = self.from(graph, next, None, depth + 1)?;
                            break graph.node(Node::Load { offset: step.k, next });
                        }
                    });
                    at = next;
                }
                (AND, None) => {
                    let next = self.from(graph, next, None, depth + 1)?;
                    break graph.node(Node::And { mask: step.k, next });
                }
                (_, Some(value)) => at = next + usize::from(if step.holds(value)? { step.yes } else { step.no }),
                (code, None) => {
                    step.holds(0)?;
                    let yes = self.from(graph, next + usize::from(step.yes), None, depth + 1)?;
                    let no = self.from(graph, next + usize::from(step.no), None, depth + 1)?;
                    break graph.node(Node::Test { code, k: step.k, yes, no });
                }
            }
        };
        self.places.insert(entered, node);
        Some(node)
    }
}

/// Writes the new program from its end, because jumps go forward only: their targets are written already.
struct Code<'a> {
    graph: &'a Graph,
    backwards: Vec<Step>,
    /// The index of each node's first instruction in `backwards`.
    places: HashMap<usize, usize>,
}

impl Code<'_> {
    fn place(&mut self, node: usize) -> usize {
        if let Some(place) = self.places.get(&node) {
            return *place;
        }
        let written = match self.graph.nodes[node] {
            Node::Return(k) => step(RETURN, k),
            Node::Load { offset, next } => {
                self.put_next(next);
                step(LOAD, offset)
            }
            Node::And { mask, next } => {
                self.put_next(next);
                step(AND, mask)
            }
            Node::Test { code, k, yes, no } => {
                let (yes, no) = (self.place(yes), self.place(no));
                // A test can skip 255 instructions. Both targets stay within reach even if a jump is inserted for the other.
                let no = self.within_reach(no);
                let yes = self.within_reach(yes);
                test(code, k, self.distance(yes) as u8, self.distance(no) as u8)
            }
        };
        self.backwards.push(written);
        let place = self.backwards.len() - 1;
        self.places.insert(node, place);
        place
    }

    /// The number of instructions between the next one to be written and a place.
    fn distance(&self, place: usize) -> usize {
        self.backwards.len() - place - 1
    }

    /// Makes sure that the instruction written last is the node or a jump to it.
    fn put_next(&mut self, node: usize) {
        let place = self.place(node);
        if self.distance(place) > 0 {
            self.backwards.push(step(JUMP, self.distance(place) as u32));
        }
    }

    fn within_reach(&mut self, place: usize) -> usize {
        if self.distance(place) < usize::from(u8::MAX) {
            return place;
        }
        self.backwards.push(step(JUMP, self.distance(place) as u32));
        self.backwards.len() - 1
    }
}
