//! The unsafe part of running QuickJS: scripts as bytecode. The safe rest is rquickjs.

use rquickjs::{qjs, Ctx, Error, Result, Value};

/// Compiles a strict script to bytecode without source and line numbers, for `evaluate` of the same build of the engine.
///
/// # Errors
/// `Error::Exception` with a pending SyntaxError.
pub fn compile(ctx: &Ctx<'_>, name: &std::ffi::CStr, source: &str) -> Result<Vec<u8>> {
    let source = std::ffi::CString::new(source)?;
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

/// Runs a script made by `compile` and returns its completion value.
///
/// # Safety
/// `bytecode` must be what `compile` returned in a build of the same engine: QuickJS does not verify bytecode.
///
/// # Errors
/// `Error::Exception` with the pending exception.
pub unsafe fn evaluate<'js>(ctx: &Ctx<'js>, bytecode: &'static [u8]) -> Result<Value<'js>> {
    let raw = ctx.as_raw().as_ptr();
    // The bytecode is never freed, so the engine may point into it.
    let flags = (qjs::JS_READ_OBJ_BYTECODE | qjs::JS_READ_OBJ_ROM_DATA) as i32;
    // SAFETY: the context is alive and the bytes are valid by the caller's word; JS_EvalFunction takes the function
    // over; its result is owned here.
    unsafe {
        let script = qjs::JS_ReadObject(raw, bytecode.as_ptr(), bytecode.len() as _, flags);
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
