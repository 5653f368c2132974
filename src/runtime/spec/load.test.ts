import { isDeepStrictEqual } from "node:util";
import t from "tap";
import { RuntimeError } from "../errors.js";
import { configuration, mutated, randomNumbers, runcRootlessSpecText, runcSpecText } from "./fixtures/configurations.js";
import fits from "./generated/validate-config-fast.js";
import report from "./generated/validate-config-report.js";
import { loadCarefully } from "./load-carefully.js";
import { loadSpec, type ValidatedSpec } from "./load.js";
import { withoutNullMembers } from "./null-members.js";
import { commonRules } from "./check.js";
import { rareRules } from "./rare-rules.js";
import { SpecError } from "./spec-error.js";

const load = (text: string, rootless = false): ValidatedSpec =>
  loadSpec(
    text,
    { fits, rare: () => rareRules, careful: () => (text, rules, options) => loadCarefully(text, rules, report, options) },
    { rootless },
  );

const failure = (text: string): RuntimeError => {
  try {
    load(text);
  } catch (error) {
    if (error instanceof RuntimeError) return error;
    throw error;
  }
  throw new Error(`taken: ${text.slice(0, 100)}`);
};

const withText = (from: string, to: string): string => {
  if (!runcSpecText.includes(from)) throw new Error(`not in the text: ${from}`);
  return runcSpecText.replace(from, to);
};

t.test("what runc writes is read without the careful way", async (t) => {
  const loaders = {
    fits,
    rare: (): never => {
      throw new Error("not needed");
    },
    careful: (): never => {
      throw new Error("not needed");
    },
  };
  t.strictSame(loadSpec(runcSpecText, loaders, { rootless: false }), JSON.parse(runcSpecText));
  t.strictSame(loadSpec(runcRootlessSpecText, loaders, { rootless: true }), JSON.parse(runcRootlessSpecText));
});

t.test("integers beyond 2^53 survive", async (t) => {
  const spec = load(withText('"hard": 1024', '"hard": 18446744073709551615'));
  t.strictSame(spec.process?.rlimits, [{ type: "RLIMIT_NOFILE", hard: 18446744073709551615n, soft: 1024 }]);
  t.equal(load(withText('"hard": 1024', '"hard": 9007199254740991')).process?.rlimits?.[0]?.hard, 9007199254740991);
  t.equal(
    failure(withText('"hard": 1024', '"hard": 18446744073709551616')).message,
    "config.json: /process/rlimits/0/hard: found 18446744073709551616, allowed: 0 to 18446744073709551615",
  );
});

t.test("unknown members are kept and ignored, wherever they are", async (t) => {
  const text = JSON.stringify(
    Object.assign(
      configuration(({ process }) => Object.assign(process, { x: 1 })),
      { "org.example": { deep: [1e300] } },
    ),
  );
  t.match(load(text), { "org.example": { deep: [1e300] }, process: { x: 1 } });
});

t.test("of two members with one name the last counts", async (t) => {
  t.equal(load(withText('"hostname": "runc"', '"hostname": "first", "hostname": "last"')).hostname, "last");
  t.equal(load(withText('"hard": 1024', '"hard": 1, "hard": 9007199254740993')).process?.rlimits?.[0]?.hard, 9007199254740993n);
});

t.test("invalid JSON is reported with line and column", async (t) => {
  const error = failure(withText('"soft": 1024', '"soft": 1024 x'));
  t.equal(error.message, 'parse "config.json": line 43, column 18: expected a comma or "}", found "x"');
  t.equal(error.code, "invalidConfig");
  t.equal(failure("").message, 'parse "config.json": line 1, column 1: expected a JSON object, found the end of the file');
});

t.test("deep nesting is refused, also where the engine could take it", async (t) => {
  for (const depth of [128, 1000, 500_000]) {
    const text = withText('"ociVersion"', `"x": ${"[".repeat(depth)}${"]".repeat(depth)}, "ociVersion"`);
    t.equal(
      failure(text).message,
      'parse "config.json": line 2, column 134: expected at most 128 objects and arrays within each other, found another one',
    );
  }
  t.ok(load(withText('"ociVersion"', `"x": ${"[".repeat(127)}${"]".repeat(127)}, "ociVersion"`)));
});

t.test("a NUL character is refused with its place", async (t) => {
  t.equal(
    failure(withText('"sh"', '"s\\u0000h"')).message,
    String.raw`config.json: /process/args/0: found "s\u0000h", allowed: text without a NUL character`,
  );
  t.ok(load(withText('"sh"', String.raw`"s\\u0000h"`)), "an escaped backslash before u0000 is none");
});

t.test("all kinds of faults are reported at once", async (t) => {
  const text = runcSpecText
    .replace('"ociVersion": "1.0.2-dev"', '"ociVersion": "2.0.0"')
    .replace('"sh"', '"s\\u0000h"')
    .replace('"cwd": "/"', '"cwd": "tmp"')
    .replace('"destination": "/dev/shm"', '"destination": 3')
    .replace('"destination": "/dev/mqueue"', '"destination": "/"')
    .replace('"hostname": "runc"', '"hostname": ["runc"]')
    .replace('"hard": 1024', '"hard": 18446744073709551616')
    .replace('"linux"', '"freebsd": {}, "linux"');
  const error = failure(text);
  t.ok(error instanceof SpecError);
  t.equal(
    error.message,
    `config.json: 8 faults:
  /ociVersion: found "2.0.0", allowed: a version "1.x.y" (Semantic Versioning 2.0.0)
  /process/args/0: found "s\\u0000h", allowed: text without a NUL character
  /process/cwd: found "tmp", allowed: an absolute path
  /process/rlimits/0/hard: found 18446744073709551616, allowed: 0 to 18446744073709551615
  /hostname: found an array, allowed: a string
  /mounts/3/destination: found 3, allowed: a string
  /mounts/4/destination: found "/", allowed: a path below /
  /freebsd: found a section, allowed: nothing: it configures a container of another platform, this runtime is for Linux`,
  );
});

t.test("a member that does not fit the schema causes no second fault", async (t) => {
  const message = (change: (document: Record<string, Record<string, unknown>>) => unknown): string => {
    const document = JSON.parse(runcSpecText) as Record<string, Record<string, unknown>>;
    change(document);
    return failure(JSON.stringify(document)).message;
  };
  t.equal(
    message(({ linux }) => (linux!["namespaces"] = {})),
    "config.json: /linux/namespaces: found an object, allowed: an array",
  );
  t.equal(
    message((document) => (document["linux"] = [] as never)),
    "config.json: /linux: found an empty array, allowed: an object",
  );
  t.equal(
    message(({ process }) => delete process!["cwd"]),
    "config.json: /process/cwd: found nothing, allowed: a value: it is required",
  );
  t.equal(
    message((document) => (document["process"] = "sh" as never)),
    'config.json: /process: found "sh", allowed: an object',
  );
  t.equal(
    message((document) => delete document["ociVersion"]),
    "config.json: /ociVersion: found nothing, allowed: a value: it is required",
  );
  t.equal(
    message(({ process }) => (process!["args"] = "sh")),
    'config.json: /process/args: found "sh", allowed: an array',
  );
});

t.test("a document that is no object is refused", async (t) => {
  t.equal(failure("[]").message, "config.json: the whole document: found an empty array, allowed: an object");
  t.equal(failure("null").message, "config.json: the whole document: found null, allowed: an object");
});

t.test("the error names the file as told, and says what kind it is", async (t) => {
  t.throws(() => loadCarefully("{", [], report, { rootless: false, name: "process.json" }), {
    message: /^parse "process.json": line 1/,
    path: "process.json",
  });
  const foreign = JSON.stringify(configuration((spec) => (spec.freebsd = {})));
  t.equal(failure(foreign).code, "unsupported");
  t.equal(failure(foreign.replace('"cwd":"/"', '"cwd":"x"')).code, "invalidConfig");
});

const withoutUnsafeIntegers = (document: unknown): string => JSON.stringify(document).replaceAll(/9007199254740992|1e\+300/g, "7");

t.test("the quick way takes nothing that the careful way refuses, and the rest of what it takes", async (t) => {
  const random = randomNumbers(4);
  const counts = { taken: 0, refused: 0 };
  for (let round = 0; round < 3000; round++) {
    const text = withoutUnsafeIntegers(mutated(JSON.parse(round % 2 === 0 ? runcSpecText : runcRootlessSpecText), random));
    const quick = ((): unknown => {
      try {
        return loadSpec(text, { fits, rare: () => rareRules, careful: () => () => undefined as never }, { rootless: false });
      } catch (error) {
        return error;
      }
    })();
    let careful: unknown;
    try {
      careful = loadCarefully(text, [...commonRules, ...rareRules], report, { rootless: false });
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
    }
    counts[careful === undefined ? "refused" : "taken"] += 1;
    // The quick way does not look at members that the schema does not know.
    if (!isDeepStrictEqual(withoutNullMembers(text, quick), careful)) t.fail(text.slice(0, 4000));
  }
  t.ok(counts.taken > 200 && counts.refused > 300, JSON.stringify(counts));
});
