//! Runs the TypeScript core (src/host/embedded.ts) in QuickJS.

use rquickjs::context::intrinsic::{Json, MapSet, RegExp, RegExpCompiler};
use rquickjs::{CatchResultExt, CaughtError, Context, Ctx, Error, Function, Object, Runtime};
use rustix::process::{getrlimit, Resource};

use crate::{native, stdio};

/// Bytes of the stack, usually 8 MiB, that JavaScript may use, at most half of it; deeper recursion is a RangeError.
const STACK_BYTES: u64 = 2 << 20;

/// What the core uses beyond the language's base objects: making the others takes a tenth of a command's time. .oxlintrc.json
/// forbids them, because their absence shows late.
type Intrinsics = (RegExpCompiler, RegExp, Json, MapSet);

/// Status of a fault of the program itself; its own errors it reports itself.
const INTERNAL_ERROR_STATUS: i32 = 1;

/// Runs the program once and returns its exit status.
pub fn run() -> i32 {
    run_in_engine().unwrap_or_else(|error| {
        stdio::write(stdio::Stream::Error, &format!("internal error: start the engine: {error}\n"));
        INTERNAL_ERROR_STATUS
    })
}

fn new_context() -> Result<(Runtime, Context), Error> {
    let runtime = Runtime::new()?;
    let stack = getrlimit(Resource::Stack).current.map_or(STACK_BYTES, |bytes| STACK_BYTES.min(bytes / 2));
    runtime.set_max_stack_size(stack as usize);
    // One command fits in memory: cycles are left to the end of the process.
    runtime.set_gc_threshold(usize::MAX);
    let context = Context::custom::<Intrinsics>(&runtime)?;
    Ok((runtime, context))
}

fn run_in_engine() -> Result<i32, Error> {
    let (runtime, context) = new_context()?;
    let status = context.with(|ctx| {
        start(&ctx).catch(&ctx).unwrap_or_else(|error| {
            stdio::write(stdio::Stream::Error, &describe(&error));
            INTERNAL_ERROR_STATUS
        })
    });
    // The process ends now; tearing the engine down would only cost time.
    std::mem::forget((context, runtime));
    Ok(status)
}

fn start(ctx: &Ctx<'_>) -> Result<i32, Error> {
    let exports: Object = native::load(ctx, "main")?;
    let start: Function = exports.get("start")?;
    start.call((native::object(ctx)?,))
}

/// The message and stack of an exception that nobody caught.
fn describe(error: &CaughtError<'_>) -> String {
    match error {
        CaughtError::Exception(exception) => {
            let (message, stack) = (exception.message().unwrap_or_default(), exception.stack().unwrap_or_default());
            format!("internal error: {message}\n{stack}")
        }
        other => format!("internal error: {other}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rquickjs::FromJs;
    use tsrunc_sys::engine;

    /// Runs a script as the core runs, and hands its value on.
    fn run<T: for<'js> FromJs<'js>>(source: &str) -> Result<T, String> {
        let compiler = Context::full(&Runtime::new().unwrap()).unwrap();
        let bytecode = compiler.with(|ctx| engine::compile(&ctx, c"test.js", source)).unwrap().leak();
        let (_runtime, context) = new_context().unwrap();
        context.with(|ctx| {
            // SAFETY: compiled above.
            #[allow(unsafe_code)]
            let value = unsafe { engine::evaluate(&ctx, bytecode) };
            value.and_then(|value| value.get()).catch(&ctx).map_err(|error| describe(&error))
        })
    }

    #[test]
    fn every_script_runs_with_the_objects_the_context_has() {
        for name in ["main", "careful", "warnings", "command-create", "command-run", "command-spec", "command-list", "command-help"] {
            let (_runtime, context) = new_context().unwrap();
            context.with(|ctx| native::load::<Object>(&ctx, name).catch(&ctx).map(drop).map_err(|error| describe(&error))).unwrap();
        }
    }

    #[test]
    fn bigints_expressions_and_json_work() {
        assert_eq!(run::<String>("String(18446744073709551615n + 1n)"), Ok("18446744073709551616".into()));
        assert_eq!(run::<String>("/b+/.exec('abbc')[0] + new RegExp('c$', 'u').test('abc')"), Ok("bbtrue".into()));
        assert_eq!(run::<String>("JSON.stringify([...new Map([[1, new Set([2]).size]])])"), Ok("[[1,1]]".into()));
    }

    #[test]
    fn endless_recursion_is_an_exception() {
        let deeper = || run::<i32>("(function deeper() { return 1 + deeper(); })()").unwrap_err();
        // A test's own thread has a smaller stack than a program.
        let error = std::thread::Builder::new().stack_size(8 << 20).spawn(deeper).unwrap().join().unwrap();
        assert!(error.starts_with("internal error: Maximum call stack size exceeded\n    at deeper"), "{error}");
    }

    #[test]
    fn an_exception_is_described_with_its_stack() {
        let error = run::<i32>("(function fail() { throw new Error('why'); })()").unwrap_err();
        assert!(error.starts_with("internal error: why\n    at fail"), "{error}");
    }
}
