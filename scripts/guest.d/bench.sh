# Runs the benchmark in the guest, which has cgroup v2 as most hosts today, but an emulated processor.

guest_bench_note="This is an emulated machine: its processor is about 10 times slower than its host, and fork and exec about 45 times. \
So the times mean nothing, and the ratios apply only to such a machine: starting programs and mapping memory cost relatively more than on \
a real one."

# guest_bench ROUNDS: measures \`run\` of tsrunc, crun, runc and the floor; leaves build/bench/guest/result.{md,json}.
guest_bench() {
  local payload status=0
  guest_image
  # Compiles the helpers here, because the guest has no compiler.
  node --input-type=module -e 'import { compileHelpers } from "./scripts/bench.d/compile.mjs"; compileHelpers();'
  payload=$(mktemp -d /var/tmp/tsrunc-guest.XXXXXX)
  mkdir -p "$payload"/{build/bench,test/fixtures,scripts}
  cp build/tsrunc "$payload/build"
  cp -p build/bench/{timer,memlock,floor} "$payload/build/bench"
  cp -rp scripts/bench scripts/bench.d "$payload/scripts"
  cp -r test/fixtures/seccomp "$payload/test/fixtures"
  guest_boot "$payload" "
    cd /payload
    scripts/bench --rounds $1 --only run,idleRun,dockerRun,userNamespaceRun --note '$guest_bench_note' || exit
    cp build/bench/result.* results" build/bench/guest || status=$?
  rm -rf -- "$payload"
  return "$status"
}
