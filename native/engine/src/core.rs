//! Runs the TypeScript core (src/host/embedded.ts) in QuickJS.

use rquickjs::context::intrinsic::{Json, MapSet, RegExp, RegExpCompiler};
use rquickjs::{CatchResultExt, CaughtError, Context, Ctx, Error, Function, Object, Runtime};

use crate::{native, stdio};

/// Bytes of the 8 MiB main stack that JavaScript may use; deeper recursion is a RangeError.
const STACK_BYTES: usize = 2 << 20;

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

fn run_in_engine() -> Result<i32, Error> {
    let runtime = Runtime::new()?;
    runtime.set_max_stack_size(STACK_BYTES);
    // One command fits in memory: cycles are left to the end of the process.
    runtime.set_gc_threshold(usize::MAX);
    let context = Context::custom::<Intrinsics>(&runtime)?;
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
