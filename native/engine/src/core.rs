//! Runs the TypeScript core (src/hosts/embedded.ts) in QuickJS.

use rquickjs::context::intrinsic::{Json, MapSet, RegExp, RegExpCompiler};
use rquickjs::{CatchResultExt, CaughtError, Context, Ctx, Error, Function, Object, Persistent, Runtime};
use rustix::process::{getrlimit, Resource};
use tsrunc_sys::engine::{begin_stack, Bytecode};

use crate::{native, stdio};

/// Stack that JavaScript may use, or half of the stack limit (usually 8 MiB) if that is less. Deeper recursion is a RangeError.
const STACK_BYTES: u64 = 2 << 20;

/// What the core uses beyond the language's base objects. Others would enlarge the image. .oxlintrc.json forbids them, because a missing one would
/// fail only when it is used.
type Intrinsics = (RegExpCompiler, RegExp, Json, MapSet);

/// Exit status after an exception that the core did not catch; the core reports its own errors.
const INTERNAL_ERROR_STATUS: i32 = 1;

/// The engine with the core loaded; the root of the program's image.
pub struct Engine {
    /// `start` of src/hosts/embedded.ts.
    start: Persistent<Function<'static>>,
    /// `LazyParts` of src/door.ts by their names.
    parts: Vec<(String, Bytecode)>,
    // Dropped last, because the other fields refer to them.
    context: Context,
    runtime: Runtime,
}

impl Engine {
    /// Starts an engine and evaluates the core.
    ///
    /// # Errors
    /// The script threw an exception, or the engine ran out of memory.
    pub fn with_core(core: &Bytecode, parts: Vec<(String, Bytecode)>) -> Result<Engine, String> {
        let (runtime, context) = new_context().map_err(|error| error.to_string())?;
        let start = context.with(|ctx| start_of(&ctx, core).catch(&ctx).map_err(|error| describe(&error)))?;
        Ok(Engine { start, parts, context, runtime })
    }

    /// Runs the program once and returns its exit status.
    pub fn run(&'static self) -> i32 {
        self.runtime.set_max_stack_size(stack_bytes());
        self.context.with(|ctx| {
            begin_stack(&ctx);
            let status = self.start.clone().restore(&ctx).and_then(|start| start.call((native::object(&ctx, &self.parts)?,)));
            status.catch(&ctx).unwrap_or_else(|error| {
                stdio::write(stdio::Stream::Error, &describe(&error));
                INTERNAL_ERROR_STATUS
            })
        })
    }
}

fn stack_bytes() -> usize {
    let limit = getrlimit(Resource::Stack).current;
    limit.map_or(STACK_BYTES, |bytes| STACK_BYTES.min(bytes / 2)) as usize
}

fn new_context() -> Result<(Runtime, Context), Error> {
    let runtime = Runtime::new()?;
    runtime.set_max_stack_size(stack_bytes());
    // No collection of cycles: the process exits after one command.
    runtime.set_gc_threshold(usize::MAX);
    let context = Context::custom::<Intrinsics>(&runtime)?;
    Ok((runtime, context))
}

fn start_of(ctx: &Ctx<'_>, core: &Bytecode) -> Result<Persistent<Function<'static>>, Error> {
    let exports: Object = core.evaluate(ctx)?.get()?;
    Ok(Persistent::save(ctx, exports.get::<_, Function>("start")?))
}

/// The message and stack of an uncaught exception.
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
    use std::path::Path;

    /// Runs a script as the core is run, and returns its value.
    fn run<T: for<'js> FromJs<'js>>(source: &str) -> Result<T, String> {
        let bytecode = Bytecode::compile(c"test.js", source).unwrap();
        let (_runtime, context) = new_context().unwrap();
        context.with(|ctx| bytecode.evaluate(&ctx).and_then(|value| value.get()).catch(&ctx).map_err(|error| describe(&error)))
    }

    #[test]
    fn the_core_loads_with_the_objects_the_context_has() {
        let script = |path: &Path| Bytecode::compile(c"test.js", &std::fs::read_to_string(path).unwrap()).unwrap();
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../build/scripts");
        let engine = Engine::with_core(&script(&scripts.join("core.js")), vec![]).unwrap();
        let others = std::fs::read_dir(&scripts).unwrap().map(|entry| entry.unwrap().path());
        for part in others.filter(|path| path.extension() == Some("js".as_ref()) && !path.ends_with("core.js")) {
            engine.context.with(|ctx| script(&part).evaluate(&ctx).catch(&ctx).map_err(|error| describe(&error)).map(drop)).unwrap();
        }
    }

    #[test]
    fn a_core_that_throws_is_an_error() {
        let core = Bytecode::compile(c"test.js", "null.start").unwrap();
        assert!(Engine::with_core(&core, vec![]).err().unwrap().starts_with("internal error: cannot read property 'start' of null"));
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
