//! Compiles a profile with libseccomp.

use rustix::io::Errno;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::seccomp::{SeccompAction, SeccompComparison, SeccompFacts, SeccompFlag, SeccompOperator, SeccompProfile, SeccompRule};
use tsrunc_plan::warning::Warning;
use tsrunc_sys::errno::{os_failure, During};
use tsrunc_sys::libseccomp::{self, Comparison};
use tsrunc_sys::seccomp::{self as kernel, Instruction};

use super::bpf::MAX_INSTRUCTIONS;
use super::flatten::flatten;
use super::newer::{deny_newer, Last};
use super::Filter;

const FLAGS: [SeccompFlag; 4] = [SeccompFlag::Tsync, SeccompFlag::Log, SeccompFlag::SpecAllow, SeccompFlag::WaitKillableRecv];

/// The seccomp features of the kernel and libseccomp.
pub fn facts() -> SeccompFacts {
    SeccompFacts { flags: FLAGS.into_iter().filter(|flag| kernel::knows_flag(bit(*flag)) == Ok(true)).collect(), libseccomp: libseccomp::version() }
}

/// Compiles a profile to a filter.
///
/// # Errors
/// A flag or action that the kernel does not support, or a value that libseccomp refuses, with its JSON pointer.
pub fn compile(profile: &SeccompProfile) -> Result<Filter, Failure> {
    let mut warnings = profile.warnings.clone();
    let flags = flags(profile)?;
    require_actions(profile)?;
    let program = shorten(compile_program(profile, &mut warnings)?)?;
    Ok(Filter { program, flags, listener: profile.listener.clone(), warnings })
}

/// The program for newer calls, followed by libseccomp's program.
pub(super) fn compile_program(profile: &SeccompProfile, warnings: &mut Vec<Warning>) -> Result<Vec<Instruction>, Failure> {
    let architectures = architectures(profile)?;
    let mut filter = libseccomp::Filter::new(number(profile.default_action)).map_err(|errno| refused("/linux/seccomp/defaultAction", errno))?;
    for (index, (name, token)) in architectures.iter().enumerate().skip(1) {
        let pointer = || format!("/linux/seccomp/architectures/{}", index - 1);
        filter.add_architecture(*token).map_err(|errno| match errno {
            Errno::DOM => unsupported(pointer(), format!("{name} has another byte order than this machine")),
            _ => refused(&pointer(), errno),
        })?;
    }
    for rule in &profile.rules {
        add_rule(&mut filter, rule, warnings)?;
    }
    let rules = filter.program().map_err(|errno| refused("/linux/seccomp", errno))?;
    let mut program = if profile.deny_newer { deny_newer(&last_calls(profile, &architectures)) } else { Vec::new() };
    program.extend(rules);
    Ok(program)
}

fn refused(pointer: &str, errno: Errno) -> Failure {
    os_failure(compiling(pointer), errno)
}

fn compiling(pointer: &str) -> String {
    format!("compile the seccomp profile ({pointer})")
}

fn unsupported(pointer: String, cause: String) -> Failure {
    Failure::new(FailureCode::Other, compiling(&pointer), cause)
}

fn this_kernel() -> String {
    format!("this kernel, Linux {},", rustix::system::uname().release().to_string_lossy())
}

fn bit(flag: SeccompFlag) -> u32 {
    match flag {
        SeccompFlag::Tsync => 1,
        SeccompFlag::Log => 2,
        SeccompFlag::SpecAllow => 4,
        SeccompFlag::WaitKillableRecv => kernel::WAIT_KILLABLE_RECV,
    }
}

fn flags(profile: &SeccompProfile) -> Result<u32, Failure> {
    let listens = profile.listener.is_some();
    let mut flags = if listens { kernel::NEW_LISTENER } else { 0 };
    for (index, flag) in profile.flags.iter().enumerate() {
        let pointer = format!("/linux/seccomp/flags/{index}");
        if !kernel::knows_flag(bit(*flag)).during(|| compiling(&pointer))? {
            return Err(unsupported(pointer, format!("{} does not know this flag", this_kernel())));
        }
        match flag {
            // The kernel refuses TSYNC with a listener. It is not needed, because the init has only one thread.
            SeccompFlag::Tsync if listens => {}
            // The kernel refuses it without a listener.
            SeccompFlag::WaitKillableRecv if !listens => {}
            _ => flags |= bit(*flag),
        }
    }
    Ok(profile.preferred_flags.iter().filter(|flag| kernel::knows_flag(bit(**flag)) == Ok(true)).fold(flags, |flags, flag| flags | bit(*flag)))
}

/// `SECCOMP_RET_*` with its data.
fn number(action: SeccompAction) -> u32 {
    match action {
        SeccompAction::KillProcess => 0x8000_0000,
        SeccompAction::KillThread => 0,
        SeccompAction::Trap => 0x0003_0000,
        SeccompAction::Errno { data } => 0x0005_0000 | u32::from(data),
        SeccompAction::Notify => 0x7fc0_0000,
        SeccompAction::Trace { data } => 0x7ff0_0000 | u32::from(data),
        SeccompAction::Log => 0x7ffc_0000,
        SeccompAction::Allow => 0x7fff_0000,
    }
}

fn require_actions(profile: &SeccompProfile) -> Result<(), Failure> {
    const ACTION: u32 = 0xffff_0000;
    let mut known = Vec::new();
    let default = ("/linux/seccomp/defaultAction".to_owned(), profile.default_action);
    for (pointer, action) in std::iter::once(default).chain(profile.rules.iter().map(|rule| (format!("{}/action", rule.pointer), rule.action))) {
        let action = number(action) & ACTION;
        if known.contains(&action) {
            continue;
        }
        if !kernel::knows_action(action).during(|| compiling(&pointer))? {
            return Err(unsupported(pointer, format!("{} does not know this action", this_kernel())));
        }
        known.push(action);
    }
    Ok(())
}

/// Names and tokens of the architectures, the native one first.
fn architectures(profile: &SeccompProfile) -> Result<Vec<(&str, u32)>, Failure> {
    let mut architectures = vec![("", libseccomp::native_architecture())];
    for (index, name) in profile.architectures.iter().enumerate() {
        let unknown = || unsupported(format!("/linux/seccomp/architectures/{index}"), format!("libseccomp {} does not know {name}", libseccomp::version()));
        architectures.push((name, libseccomp::architecture(name).ok_or_else(unknown)?));
    }
    Ok(architectures)
}

fn add_rule(filter: &mut libseccomp::Filter, rule: &SeccompRule, warnings: &mut Vec<Warning>) -> Result<(), Failure> {
    let comparisons = rule.comparisons.iter().map(comparison).collect::<Result<Vec<_>, _>>()?;
    let mut unknown = Vec::new();
    for name in &rule.names {
        match libseccomp::syscall_number(libseccomp::native_architecture(), name) {
            Some(call) => filter.add_rule(number(rule.action), call, &comparisons).map_err(|errno| refused(&format!("{}, {name}", rule.pointer), errno))?,
            None => unknown.push(format!("{name:?}")),
        }
    }
    if !unknown.is_empty() {
        warnings.push(Warning {
            pointer: format!("{}/names", rule.pointer),
            message: format!("no rule is made for {}: libseccomp {} knows no such system call", unknown.join(", "), libseccomp::version()),
            rule: "seccomp-names".into(),
        });
    }
    Ok(())
}

fn comparison(comparison: &SeccompComparison) -> Result<Comparison, Failure> {
    let value = |text: &str| text.parse().map_err(|_| Failure::new(FailureCode::BadRequest, "read a seccomp rule", format!("{text:?} is not a number")));
    Ok(Comparison {
        argument: comparison.argument.into(),
        // enum scmp_compare
        operator: match comparison.operator {
            SeccompOperator::NotEqual => 1,
            SeccompOperator::Less => 2,
            SeccompOperator::LessOrEqual => 3,
            SeccompOperator::Equal => 4,
            SeccompOperator::GreaterOrEqual => 5,
            SeccompOperator::Greater => 6,
            SeccompOperator::MaskedEqual => 7,
        },
        first: value(&comparison.first)?,
        second: value(&comparison.second)?,
    })
}

/// The highest number of the calls that the profile names, for each architecture that has any of them.
fn last_calls(profile: &SeccompProfile, architectures: &[(&str, u32)]) -> Vec<Last> {
    let names = || profile.rules.iter().flat_map(|rule| &rule.names).chain(&profile.default_names);
    let mut last: Vec<Last> = Vec::new();
    for (_, architecture) in architectures {
        // The native one may be in the list twice.
        if last.iter().any(|known| known.architecture == *architecture) {
            continue;
        }
        // Negative numbers are calls that only other architectures have.
        let numbers = names().filter_map(|name| libseccomp::syscall_number(*architecture, name)).filter_map(|number| u32::try_from(number).ok());
        last.extend(numbers.max().map(|number| Last { architecture: *architecture, number }));
    }
    last
}

fn shorten(program: Vec<Instruction>) -> Result<Vec<Instruction>, Failure> {
    let program = flatten(&program).filter(|flat| flat.len() <= MAX_INSTRUCTIONS).unwrap_or(program);
    if program.len() > MAX_INSTRUCTIONS {
        return Err(unsupported("/linux/seccomp".into(), format!("its {} instructions are more than the kernel takes, {MAX_INSTRUCTIONS}", program.len())));
    }
    Ok(program)
}
