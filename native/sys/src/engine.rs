//! The unsafe part of running QuickJS: bytecode without source and line numbers. rquickjs does the rest.

use std::ffi::{CStr, CString};

use rquickjs::{qjs, CatchResultExt, Context, Ctx, Error, Result, Runtime, Value};

/// A compiled script in strict mode.
#[derive(Clone)]
pub struct Bytecode(Vec<u8>);

impl Bytecode {
    /// Compiles a script, in a separate engine.
    ///
    /// # Errors
    /// The text of the SyntaxError.
    pub fn compile(name: &CStr, source: &str) -> std::result::Result<Bytecode, String> {
        let context = Runtime::new().and_then(|runtime| Context::full(&runtime)).map_err(|error| error.to_string())?;
        let bytes = context.with(|ctx| compile(&ctx, name, source).catch(&ctx).map_err(|error| error.to_string()))?;
        Ok(Bytecode(bytes))
    }

    /// Bytecode from `as_bytes`.
    ///
    /// # Safety
    /// The same build of the engine must have compiled it, because the engine does not verify bytecode.
    pub unsafe fn from_bytes(bytes: Vec<u8>) -> Bytecode {
        Bytecode(bytes)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Runs the script and returns its completion value.
    ///
    /// # Errors
    /// `Error::Exception` with the pending exception.
    pub fn evaluate<'js>(&self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        let raw = ctx.as_raw().as_ptr();
        // SAFETY: the context is alive; this build of the engine wrote the bytes;
        // JS_EvalFunction takes ownership of the function; its result is owned here.
        unsafe {
            let script = qjs::JS_ReadObject(raw, self.0.as_ptr(), self.0.len() as _, qjs::JS_READ_OBJ_BYTECODE as i32);
            if qjs::JS_IsException(script) {
                return Err(Error::Exception);
            }
            let value = qjs::JS_EvalFunction(raw, script);
            if qjs::JS_IsException(value) {
                return Err(Error::Exception);
            }
            Ok(Value::from_raw(ctx.clone(), value))
        }
    }
}

/// Tells the engine that its stack begins here. An engine from the image has the stack of the process that made it.
pub fn begin_stack(ctx: &Ctx<'_>) {
    // SAFETY: the context and so its runtime are alive.
    unsafe { qjs::JS_UpdateStackTop(qjs::JS_GetRuntime(ctx.as_raw().as_ptr())) }
}

fn compile(ctx: &Ctx<'_>, name: &CStr, source: &str) -> Result<Vec<u8>> {
    let source = CString::new(source)?;
    let kind = (qjs::JS_EVAL_TYPE_GLOBAL | qjs::JS_EVAL_FLAG_STRICT | qjs::JS_EVAL_FLAG_COMPILE_ONLY) as i32;
    let format = (qjs::JS_WRITE_OBJ_BYTECODE | qjs::JS_WRITE_OBJ_STRIP_SOURCE | qjs::JS_WRITE_OBJ_STRIP_DEBUG) as i32;
    let raw = ctx.as_raw().as_ptr();
    // SAFETY: the context is alive; the source is NUL-terminated with the length given; the result of JS_Eval is owned by
    // `script`, which outlives its use, or is an exception; the buffer of JS_WriteObject has `length` bytes and is freed once.
    unsafe {
        let script = qjs::JS_Eval(raw, source.as_ptr(), source.as_bytes().len() as _, name.as_ptr(), kind);
        if qjs::JS_IsException(script) {
            return Err(Error::Exception);
        }
        let script = Value::from_raw(ctx.clone(), script);
        let mut length = 0;
        let buffer = qjs::JS_WriteObject(raw, &mut length, script.as_raw(), format);
        if buffer.is_null() {
            return Err(Error::Exception);
        }
        let bytes = std::slice::from_raw_parts(buffer, length as usize).to_vec();
        qjs::js_free(raw, buffer.cast());
        Ok(bytes)
    }
}
