//! Starts and stops transient units.

use std::path::Path;

use rustbus::message_builder::{MarshalledMessage, MessageBuilder};
use rustbus::params::{Array, Base, Container, Param, Variant};
use rustbus::signature::Type;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::systemd::{BusAddress, SystemdUnit, UnitProperty};

use super::bus::{call, Bus, CallError, MANAGER, MANAGER_PATH};
use super::value::typed;

pub(super) const MANAGER_INTERFACE: &str = "org.freedesktop.systemd1.Manager";
const UNIT_INTERFACE: &str = "org.freedesktop.systemd1.Unit";
pub(super) const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const UNIT_EXISTS: &str = "org.freedesktop.systemd1.UnitExists";
const NO_SUCH_UNIT: &str = "org.freedesktop.systemd1.NoSuchUnit";
/// The error for a unit that has disappeared between two calls.
const UNKNOWN_OBJECT: &str = "org.freedesktop.DBus.Error.UnknownObject";

/// Starts a unit for a process and waits until systemd has moved the process into it.
///
/// # Errors
/// The unit exists and is not in a failed state; systemd refuses a property; the job fails.
pub fn start(unit: &SystemdUnit, pid: i32) -> Result<(), Failure> {
    let during = || format!("start unit {:?}", unit.name);
    let message = start_message(unit, pid)?;
    let mut bus = Bus::connect(&unit.bus)?;
    watch_jobs(&mut bus).map_err(|error| error.during(during))?;
    let answer = match bus.call(&message) {
        // A failed unit keeps its name until it is reset.
        Err(error) if error.is(UNIT_EXISTS) => {
            call_by_name(&mut bus, "ResetFailedUnit", &unit.name).map_err(|error| error.during(during))?;
            bus.call(&message)
        }
        answer => answer,
    };
    match await_job(&mut bus, answer.map_err(|error| error.during(during))?).map_err(|error| error.during(during))?.as_str() {
        "done" => Ok(()),
        result => Err(Failure::new(FailureCode::Other, during(), format!("systemd says {result:?}"))),
    }
}

/// Stops a unit with all its processes and resets its failed state. Does nothing if the unit is gone or has another description, so that it is not
/// ours.
pub fn stop(name: &str, description: &str, address: &BusAddress) -> Result<(), Failure> {
    let during = || format!("stop unit {name:?}");
    // Without a running manager there are no units.
    if !Path::new(&address.path).exists() {
        return Ok(());
    }
    let mut bus = Bus::connect(address)?;
    match stop_if_ours(&mut bus, name, description) {
        Err(error) if error.is(NO_SUCH_UNIT) || error.is(UNKNOWN_OBJECT) => Ok(()),
        result => result.map_err(|error| error.during(during)),
    }
}

fn stop_if_ours(bus: &mut Bus, name: &str, description: &str) -> Result<(), CallError> {
    let answer = call_by_name(bus, "GetUnit", name)?;
    let path = object_path(&answer)?;
    if property(bus, &path, UNIT_INTERFACE, "Description")? != description {
        return Ok(());
    }
    watch_jobs(bus)?;
    let mut message = manager_call("StopUnit");
    push(&mut message, name)?;
    push(&mut message, "replace")?;
    let job = bus.call(&message)?;
    await_job(bus, job)?;
    // A unit that did not fail may be gone already.
    match call_by_name(bus, "ResetFailedUnit", name) {
        Err(error) if !error.is(NO_SUCH_UNIT) => Err(error),
        _ => Ok(()),
    }
}

/// Subscribes to JobRemoved. A broker forwards only signals that were asked for; the manager's own socket needs no subscription.
fn watch_jobs(bus: &mut Bus) -> Result<(), CallError> {
    if bus.direct {
        return Ok(());
    }
    let mut watch = call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch");
    push(&mut watch, "type='signal',sender='org.freedesktop.systemd1',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'")?;
    bus.call(&watch)?;
    bus.call(&manager_call("Subscribe"))?;
    Ok(())
}

/// Waits until the job named in an answer is done. Returns its result.
fn await_job(bus: &mut Bus, answer: MarshalledMessage) -> Result<String, CallError> {
    let job = object_path(&answer)?;
    loop {
        let signal = bus.signal().map_err(CallError::Broken)?;
        if signal.dynheader.member.as_deref() != Some("JobRemoved") {
            continue;
        }
        let params = signal.unmarshall_all().map_err(not_understood)?.params;
        match params.as_slice() {
            [_, Param::Base(Base::ObjectPath(ended)), _, Param::Base(Base::String(result))] if *ended == job => return Ok(result.clone()),
            _ => {}
        }
    }
}

pub(super) fn object_path(answer: &MarshalledMessage) -> Result<String, CallError> {
    let path: rustbus::wire::ObjectPath<String> = answer.body.parser().get().map_err(not_understood)?;
    Ok(path.as_ref().to_owned())
}

/// Reads a property of type string.
pub(super) fn property(bus: &mut Bus, path: &str, interface: &str, name: &str) -> Result<String, CallError> {
    let mut message = call(MANAGER, path, PROPERTIES, "Get");
    push(&mut message, interface)?;
    push(&mut message, name)?;
    let answer = bus.call(&message)?;
    let variant: rustbus::wire::unmarshal::traits::Variant = answer.body.parser().get().map_err(not_understood)?;
    variant.get().map_err(not_understood)
}

pub(super) fn not_understood(error: impl std::fmt::Display) -> CallError {
    CallError::Broken(Failure::new(FailureCode::Other, "understand systemd's answer", error.to_string()))
}

fn manager_call(member: &str) -> MarshalledMessage {
    call(MANAGER, MANAGER_PATH, MANAGER_INTERFACE, member)
}

pub(super) fn call_by_name(bus: &mut Bus, member: &str, unit: &str) -> Result<MarshalledMessage, CallError> {
    let mut message = manager_call(member);
    push(&mut message, unit)?;
    bus.call(&message)
}

pub(super) fn push(message: &mut MarshalledMessage, text: &str) -> Result<(), CallError> {
    message.body.push_param(text).map_err(not_understood)
}

/// StartTransientUnit(name, mode, properties a(sv), auxiliary units a(sa(sv))).
fn start_message(unit: &SystemdUnit, pid: i32) -> Result<MarshalledMessage, Failure> {
    let mut properties = unit.properties.iter().map(typed_property).collect::<Result<Vec<_>, Failure>>()?;
    let pids = Array { element_sig: one("u")?, values: vec![Param::Base(Base::Uint32(pid as u32))] };
    properties.push(named("PIDs", one("au")?, Param::Container(Container::Array(pids))));
    let params =
        [Param::Base(Base::String(unit.name.clone())), Param::Base(Base::String("fail".into())), list("(sv)", properties)?, list("(sa(sv))", Vec::new())?];
    let mut message = MessageBuilder::new().call("StartTransientUnit").on(MANAGER_PATH).with_interface(MANAGER_INTERFACE).at(MANAGER).build();
    message
        .body
        .push_old_params(&params)
        .map_err(|error| Failure::new(FailureCode::BadRequest, format!("start unit {:?}", unit.name), format!("{error:?}")))?;
    Ok(message)
}

/// An array of elements of that type.
pub(super) fn list(element: &str, values: Vec<Param<'static, 'static>>) -> Result<Param<'static, 'static>, Failure> {
    Ok(Param::Container(Container::Array(Array { element_sig: one(element)?, values })))
}

pub(super) fn typed_property(property: &UnitProperty) -> Result<Param<'static, 'static>, Failure> {
    let UnitProperty { name, signature, value, pointer } = property;
    let sig = one(signature)?;
    let operation = || format!("set property {name:?}{}", if pointer.is_empty() { String::new() } else { format!(" ({pointer})") });
    let value =
        typed(&sig, value).ok_or_else(|| Failure::new(FailureCode::BadRequest, operation(), format!("{value} is not a value of type {signature:?}")))?;
    Ok(named(name, sig, value))
}

pub(super) fn named(name: &str, sig: Type, value: Param<'static, 'static>) -> Param<'static, 'static> {
    let variant = Param::Container(Container::Variant(Box::new(Variant { sig, value })));
    Param::Container(Container::Struct(vec![Param::Base(Base::String(name.to_owned())), variant]))
}

/// Parses a signature that must be one complete type.
fn one(signature: &str) -> Result<Type, Failure> {
    match Type::parse_description(signature) {
        Ok(mut types) if types.len() == 1 => Ok(types.remove(0)),
        _ => Err(Failure::new(FailureCode::BadRequest, format!("understand the type {signature:?}"), "not one D-Bus type")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Answer, Manager};
    use super::*;

    const UNIT: &str = "/org/freedesktop/systemd1/unit/a_2escope";

    fn unit(bus: &BusAddress) -> SystemdUnit {
        let property = UnitProperty { name: "Delegate".into(), signature: "b".into(), value: true.into(), pointer: String::new() };
        SystemdUnit { name: "a.scope".into(), description: "ours".into(), bus: bus.clone(), properties: vec![property] }
    }

    fn started(answers: Vec<Answer>) -> (Result<(), String>, Vec<String>) {
        let manager = Manager::with(answers);
        let result = start(&unit(&manager.address), 77).map_err(|failure| failure.to_string());
        (result, manager.calls())
    }

    fn stopped(answers: Vec<Answer>) -> (Result<(), String>, Vec<String>) {
        let manager = Manager::with(answers);
        let result = stop("a.scope", "ours", &manager.address).map_err(|failure| failure.to_string());
        (result, manager.calls())
    }

    #[test]
    fn waits_for_the_job_that_it_started() {
        assert_eq!(started(vec![Answer::Job("done")]), (Ok(()), vec!["StartTransientUnit".into()]));
        assert_eq!(started(vec![Answer::Job("failed")]).0, Err("start unit \"a.scope\": systemd says \"failed\"".into()));
    }

    #[test]
    fn a_failed_unit_of_that_name_is_reset_once() {
        let (result, calls) = started(vec![Answer::Refusal(UNIT_EXISTS), Answer::Nothing, Answer::Job("done")]);
        assert_eq!((result, calls), (Ok(()), ["StartTransientUnit", "ResetFailedUnit", "StartTransientUnit"].map(str::to_owned).to_vec()));
        let (result, calls) = started(vec![Answer::Refusal(UNIT_EXISTS), Answer::Nothing, Answer::Refusal(UNIT_EXISTS)]);
        assert_eq!(result, Err("start unit \"a.scope\": org.freedesktop.systemd1.UnitExists (because)".into()));
        assert_eq!(calls.len(), 3);
    }

    #[test]
    fn a_manager_that_goes_away_is_an_error() {
        assert_eq!(started(vec![Answer::End]).0, Err("read from systemd's bus: the connection was closed".into()));
    }

    #[test]
    fn stops_and_resets_the_unit_with_that_description() {
        let answers = vec![Answer::Path(UNIT), Answer::Text("ours"), Answer::Job("done"), Answer::Refusal(NO_SUCH_UNIT)];
        assert_eq!(stopped(answers), (Ok(()), ["GetUnit", "Get", "StopUnit", "ResetFailedUnit"].map(str::to_owned).to_vec()));
    }

    #[test]
    fn stop_does_nothing_if_the_unit_is_gone_or_not_ours() {
        assert_eq!(stopped(vec![Answer::Refusal(NO_SUCH_UNIT)]), (Ok(()), vec!["GetUnit".into()]));
        assert_eq!(stopped(vec![Answer::Path(UNIT), Answer::Refusal(UNKNOWN_OBJECT)]).0, Ok(()));
        assert_eq!(stopped(vec![Answer::Path(UNIT), Answer::Text("theirs")]), (Ok(()), vec!["GetUnit".into(), "Get".into()]));
        assert!(stop("a.scope", "ours", &BusAddress { path: "/nowhere/private".into(), direct: true }).is_ok());
        assert_eq!(stopped(vec![Answer::Refusal("a.Denied")]).0, Err("stop unit \"a.scope\": a.Denied (because)".into()));
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused_before_connecting() {
        let address = BusAddress { path: "/nowhere".into(), direct: true };
        let property = UnitProperty { name: "TasksMax".into(), signature: "t".into(), value: "many".into(), pointer: "/annotations/x".into() };
        let failure = start(&SystemdUnit { properties: vec![property], ..unit(&address) }, 77).unwrap_err();
        assert_eq!(failure.to_string(), "set property \"TasksMax\" (/annotations/x): \"many\" is not a value of type \"t\"");
    }
}
