//! The native object that src/hosts/embedded.ts gets: arguments, environment and three functions.

use std::cell::RefCell;

use rquickjs::{Ctx, Error, Exception, Function, Object, Value};
use tsrunc_services::door::Services;
use tsrunc_services::init_program::InitProgram;
use tsrunc_sys::engine::Bytecode;

use crate::stdio::{self, Stream};

/// The object that implements `Native` of src/hosts/embedded.ts.
///
/// # Errors
/// A JavaScript exception if memory runs out.
pub fn object<'js>(ctx: &Ctx<'js>, parts: &'static [(String, Bytecode)]) -> Result<Object<'js>, Error> {
    let object = Object::new(ctx.clone())?;
    object.set("argv", arguments())?;
    object.set("env", environment(ctx)?)?;
    let services = RefCell::new(Services::new(InitProgram::OwnExecutable));
    object.set("call", Function::new(ctx.clone(), move |ctx: Ctx<'js>, request: String| call(&ctx, &services, &request))?)?;
    object.set("write", Function::new(ctx.clone(), |fd: i32, text: String| stdio::write(if fd == 1 { Stream::Output } else { Stream::Error }, &text))?)?;
    object.set("load", Function::new(ctx.clone(), |ctx: Ctx<'js>, name: String| load(&ctx, parts, &name))?)?;
    Ok(object)
}

/// Evaluates a part of the core and returns its exports.
fn load<'js>(ctx: &Ctx<'js>, parts: &[(String, Bytecode)], name: &str) -> Result<Value<'js>, Error> {
    match parts.iter().find(|(part, _)| part == name) {
        Some((_, bytecode)) => bytecode.evaluate(ctx),
        None => Err(Exception::throw_message(ctx, &format!("load part {name:?}: no such part"))),
    }
}

fn call<'js>(ctx: &Ctx<'js>, services: &RefCell<Services>, request: &str) -> Result<String, Error> {
    String::from_utf8(services.borrow_mut().call(request.as_bytes())).map_err(|error| Exception::throw_message(ctx, &format!("read reply: {error}")))
}

/// The arguments after the program's name; bytes that are not UTF-8 become U+FFFD, as in Node.
fn arguments() -> Vec<String> {
    std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect()
}

/// The environment; bytes that are not UTF-8 become U+FFFD, as in Node.
fn environment<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>, Error> {
    let object = Object::new(ctx.clone())?;
    for (name, value) in std::env::vars_os() {
        object.set(name.to_string_lossy().as_ref(), value.to_string_lossy().as_ref())?;
    }
    Ok(object)
}
