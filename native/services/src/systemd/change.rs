//! Changes properties of a running unit.

use rustbus::message_builder::MarshalledMessage;
use rustbus::params::{Array, Base, Container, Param, Variant};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::systemd::{BusAddress, UnitProperty};
use tsrunc_plan::update::UnitChange;

use super::bus::{call, Bus, CallError, MANAGER, MANAGER_PATH};
use super::unit::{call_by_name, list, named, not_understood, object_path, push, typed_property, MANAGER_INTERFACE, PROPERTIES};

const SCOPE_INTERFACE: &str = "org.freedesktop.systemd1.Scope";

type Property = Param<'static, 'static>;

/// Properties of a unit before a change.
pub struct PreviousProperties {
    unit: String,
    bus: BusAddress,
    properties: Vec<Property>,
}

/// Sets runtime properties and waits until systemd has written the files of the unit's cgroup. Sets `previous` before anything changes, so that a
/// failed change can be undone.
///
/// # Errors
/// The unit does not exist; systemd refuses a property, in which case it sets none of them.
pub fn change(change: &UnitChange, previous: &mut Option<PreviousProperties>) -> Result<(), Failure> {
    let UnitChange { name, bus: address, properties } = change;
    let during = || format!("set properties of unit {name:?}");
    let wanted = properties.iter().map(typed_property).collect::<Result<Vec<_>, Failure>>()?;
    let mut bus = Bus::connect(address)?;
    let path = find(&mut bus, name).map_err(|error| error.during(during))?;
    let mut before = Vec::new();
    for property in properties {
        before.extend(current(&mut bus, &path, &property.name).map_err(|error| error.during(during))?);
    }
    *previous = Some(PreviousProperties { unit: name.clone(), bus: address.clone(), properties: before });
    set(&mut bus, name, wanted).map_err(|error| add_pointer(error.during(during), properties))?;
    settle(&mut bus, name).map_err(|error| error.during(during))
}

impl PreviousProperties {
    /// Restores the properties.
    pub fn restore(self) -> Result<(), Failure> {
        let during = || format!("restore properties of unit {:?}", self.unit);
        let mut bus = Bus::connect(&self.bus)?;
        set(&mut bus, &self.unit, self.properties).and_then(|()| settle(&mut bus, &self.unit)).map_err(|error| error.during(during))
    }
}

fn find(bus: &mut Bus, unit: &str) -> Result<String, CallError> {
    object_path(&call_by_name(bus, "GetUnit", unit)?)
}

/// Waits until systemd has written the cgroup's files: it does that before it answers the next call.
fn settle(bus: &mut Bus, unit: &str) -> Result<(), CallError> {
    find(bus, unit).map(drop)
}

/// The settings that restore a property's current value. For a list, an empty list comes first, because setting a list appends to it, and an empty
/// one clears it.
fn current(bus: &mut Bus, path: &str, name: &str) -> Result<Vec<Property>, CallError> {
    let mut message = call(MANAGER, path, PROPERTIES, "Get");
    push(&mut message, SCOPE_INTERFACE)?;
    push(&mut message, name)?;
    let answer = bus.call(&message)?.unmarshall_all().map_err(not_understood)?;
    let Some(Param::Container(Container::Variant(variant))) = answer.params.into_iter().next() else {
        let cause = format!("property {name:?} is not a variant");
        return Err(CallError::Broken(Failure::new(FailureCode::Other, "understand systemd's answer", cause)));
    };
    let Variant { sig, value } = *variant;
    let value = owned(value).map_err(CallError::Broken)?;
    let mut settings = Vec::new();
    if let Param::Container(Container::Array(Array { element_sig, values })) = &value {
        if !values.is_empty() {
            let empty = Array { element_sig: element_sig.clone(), values: Vec::new() };
            settings.push(named(name, sig.clone(), Param::Container(Container::Array(empty))));
        }
    }
    settings.push(named(name, sig, value));
    Ok(settings)
}

/// An owned copy of a value. Supports the types that properties for limits have.
fn owned(value: Param<'_, '_>) -> Result<Property, Failure> {
    let unknown = || Failure::new(FailureCode::Other, "understand systemd's answer", "a property of an unknown type");
    Ok(match value {
        Param::Base(base) => Param::Base(match base {
            Base::Boolean(value) => Base::Boolean(value),
            Base::Byte(value) => Base::Byte(value),
            Base::Uint32(value) => Base::Uint32(value),
            Base::Uint64(value) => Base::Uint64(value),
            Base::String(value) => Base::String(value),
            Base::StringRef(value) => Base::String(value.to_owned()),
            _ => return Err(unknown()),
        }),
        Param::Container(Container::Array(Array { element_sig, values })) => {
            Param::Container(Container::Array(Array { element_sig, values: values.into_iter().map(owned).collect::<Result<_, _>>()? }))
        }
        Param::Container(Container::Struct(values)) => Param::Container(Container::Struct(values.into_iter().map(owned).collect::<Result<_, _>>()?)),
        Param::Container(_) => return Err(unknown()),
    })
}

/// SetUnitProperties(name, runtime, properties a(sv)).
fn set(bus: &mut Bus, unit: &str, properties: Vec<Property>) -> Result<(), CallError> {
    let mut message: MarshalledMessage = call(MANAGER, MANAGER_PATH, MANAGER_INTERFACE, "SetUnitProperties");
    let properties = list("(sv)", properties).map_err(CallError::Broken)?;
    let params = [Param::Base(Base::String(unit.to_owned())), Param::Base(Base::Boolean(true)), properties];
    let unsent = |error: rustbus::wire::errors::MarshalError| not_understood(format!("{error:?}"));
    message.body.push_old_params(&params).map_err(unsent)?;
    bus.call(&message).map(drop)
}

/// Adds the JSON pointer of the field that set the property named in systemd's error text.
fn add_pointer(mut failure: Failure, properties: &[UnitProperty]) -> Failure {
    let named = |property: &&UnitProperty| failure.cause.split(|letter: char| !letter.is_ascii_alphanumeric()).any(|word| word == property.name);
    if let Some(property) = properties.iter().find(named) {
        failure.operation = format!("{} ({})", failure.operation, property.pointer);
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Answer, Manager};
    use super::*;

    const UNIT: &str = "/org/freedesktop/systemd1/unit/a_2escope";

    fn changed(answers: Vec<Answer>) -> (Result<(), String>, Option<PreviousProperties>, Vec<String>) {
        let manager = Manager::with(answers);
        let property = UnitProperty { name: "DevicePolicy".into(), signature: "s".into(), value: "strict".into(), pointer: "/devices".into() };
        let wanted = UnitChange { name: "a.scope".into(), bus: manager.address.clone(), properties: vec![property] };
        let mut previous = None;
        let result = change(&wanted, &mut previous).map_err(|failure| failure.to_string());
        (result, previous, manager.calls())
    }

    #[test]
    fn reads_the_old_value_then_sets_the_new_one_and_waits() {
        let (result, previous, calls) = changed(vec![Answer::Path(UNIT), Answer::Text("auto"), Answer::Nothing, Answer::Path(UNIT)]);
        assert_eq!((result, calls), (Ok(()), ["GetUnit", "Get", "SetUnitProperties", "GetUnit"].map(str::to_owned).to_vec()));
        assert_eq!(previous.unwrap().properties.len(), 1);
    }

    #[test]
    fn names_the_field_of_a_refused_property() {
        let (result, previous, _) = changed(vec![Answer::Path(UNIT), Answer::Text("auto"), Answer::Refusal("no.DevicePolicy")]);
        assert_eq!(result, Err("set properties of unit \"a.scope\" (/devices): no.DevicePolicy (because)".into()));
        assert!(previous.is_some());
    }

    #[test]
    fn restores_the_old_value() {
        let (_, previous, _) = changed(vec![Answer::Path(UNIT), Answer::Text("auto"), Answer::Nothing, Answer::Path(UNIT)]);
        let manager = Manager::with(vec![Answer::Nothing, Answer::Path(UNIT)]);
        let previous = PreviousProperties { bus: manager.address.clone(), ..previous.unwrap() };
        previous.restore().unwrap();
        assert_eq!(manager.calls(), ["SetUnitProperties", "GetUnit"]);
    }

    #[test]
    fn a_missing_unit_is_an_error() {
        let (result, previous, _) = changed(vec![Answer::Refusal("org.freedesktop.systemd1.NoSuchUnit")]);
        assert_eq!(result, Err("set properties of unit \"a.scope\": org.freedesktop.systemd1.NoSuchUnit (because)".into()));
        assert!(previous.is_none());
    }
}
