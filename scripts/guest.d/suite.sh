# Runs the tests that `tests` lists in the guest, in a boot with AppArmor and one with SELinux.

test_cache=${TSRUNC_TEST_CACHE:-/var/tmp/tsrunc-test-cache}
# A test that takes 0.1 s on the host takes up to 5 s in the guest.
guest_slowness=10
# The conformance verdicts from the guest, a folder for each boot.
guest_results=build/conformance/guest

# listed BOOT SUITE RUNTIME: prints the tests for a runtime, one per line.
listed() {
  awk -F ' *[|] *' -v section="[$1 $2]" -v runtime="$3" '
    /^(#|$)/ { next }
    /^\[/ { wanted = $0 == section; next }
    wanted && ($2 == "any" || $2 == runtime || ($2 == "others" && runtime !~ /^tsrunc/)) { print $1 }' scripts/guest.d/tests
}

# jobs_of BOOT "SUITE..." RUNTIME: prints the jobs of a boot, for run-jobs. runtime-tools come first: it needs hugetlb on v1, and the
# controller cannot leave v2 once a test of the other suites has used it.
jobs_of() {
  local boot=$1 suites=$2 runtime=$3 suite tests
  for suite in $suites; do
    tests=$(listed "$boot" "$suite" "$runtime")
    [ -z "$tests" ] || printf '%s\t%s\t%s\n' "$suite" "$runtime" "$(paste -s <<<"$tests")"
  done
}

# bundle_tests OUT FOLDER: bundles tests together with tap, for a machine without node_modules. tap is partly CommonJS, and loads a module
# for React elements that no test uses.
bundle_tests() {
  mkdir -p "$1/node_modules/react-element-to-jsx-string"
  echo 'exports.default = String;' >"$1/node_modules/react-element-to-jsx-string/index.js"
  TSRUNC_TEST_SUITE=$PWD/$2 test/integration/bundle "$1" --packages=bundle \
    --banner:js='import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);'
}

# fill_payload PAYLOAD BOOT: copies the files that the jobs in PAYLOAD/jobs need, laid out like the checkout.
fill_payload() {
  local payload=$1 boot=$2 suite
  mkdir -p "$payload"/{build,cache,tests,test/integration,conformance/spec,conformance/runtime-tools}
  cp build/tsrunc build/tsrunc-node "$payload/build"
  cp scripts/guest.d/run-jobs "$payload"
  cp -r test/integration/{execute,expected} "$payload/test/integration"
  cp -r test/fixtures "$payload/test"
  cp conformance/private-host "$payload/conformance"
  for suite in $(cut -f 1 "$payload/jobs" | sort -u); do
    case "$suite" in
      integration) bundle_tests "$payload/tests/integration" test/integration ;;
      spec)
        bundle_tests "$payload/tests/spec" conformance/spec
        cp conformance/spec/execute "$payload/conformance/spec"
        ;;
      runtime-tools)
        conformance/runtime-tools/bundle "$payload/tests/runtime-tools"
        cp conformance/runtime-tools/execute "$payload/conformance/runtime-tools"
        copy_programs "$payload/tests/runtime-tools/suite" <"$payload/jobs"
        ;;
    esac
  done
  if grep -q system-container "$payload/jobs"; then
    # Use hard links if the cache is on the same file system: this tree is half of the payload.
    test/integration/prepare
    cp -al "$test_cache/debian-systemd" "$payload/cache" 2>/dev/null || cp -a "$test_cache/debian-systemd/." "$payload/cache/debian-systemd"
  fi
  if [ "$boot" = selinux ]; then
    node scripts/guest.d/selinux-policy.mjs >"$payload/policy.conf"
    checkpolicy --mls --handle-unknown=allow -c 33 -o "$payload/policy" "$payload/policy.conf"
  fi
}

# copy_programs TARGET: copies the validation programs of the jobs on standard input, with their dependencies.
copy_programs() {
  local suite program
  suite=$(conformance/runtime-tools/install)
  mkdir -p "$1/bin"
  cp "$suite"/{runtimetest,rootfs-amd64.tar.gz} "$1"
  for program in $(grep '^runtime-tools' | cut -f 3- | tr '\t' '\n' | sort -u); do cp "$suite/bin/$program" "$1/bin"; done
}

# judge_sentences FOLDER RUNTIME: computes the verdicts on sentences from the results of a runtime's tests in the guest. Failures are in the
# verdicts, not in the exit status.
judge_sentences() {
  local lines=$1/$2.lines verdicts=$1/$2.json
  [ -e "$lines" ] || return 0
  rm -f -- "$verdicts"
  conformance/spec/judge "$lines" "$verdicts" --part >/dev/null || true
  [ -e "$verdicts" ] || { echo "guest: $lines cannot be judged" >&2; return 1; }
}

# guest_boot_suites BOOT "SUITE..." RUNTIME: runs a runtime's tests of one boot. The last line is `N passed, N failed`, even if the guest
# ends without a result.
guest_boot_suites() (
  boot=$1 suites=$2 runtime=$3 status=0
  payload=$(mktemp -d /var/tmp/tsrunc-guest.XXXXXX)
  trap 'rm -rf -- "$payload"' EXIT
  jobs_of "$boot" "$suites" "$runtime" >"$payload/jobs"
  if [ ! -s "$payload/jobs" ]; then
    echo '0 passed, 0 failed'
    exit 0
  fi
  fill_payload "$payload" "$boot"
  # Debian's kernel enables AppArmor unless security= names another module.
  TSRUNC_GUEST_KERNEL="security=$boot ${TSRUNC_GUEST_KERNEL:-}" guest_boot "$payload" "
    export TSRUNC_TEST_CACHE=/payload/cache TSRUNC_TEST_SLOWNESS=$guest_slowness TSRUNC_MUST_WORK=1 CI=true
    export TSRUNC_TEST_VERBOSE='${TSRUNC_TEST_VERBOSE:-}'
    exec /payload/run-jobs $boot </payload/jobs" "$guest_results/$boot" || status=$?
  judge_sentences "$guest_results/$boot/spec" "$runtime" || status=125
  if [ "$status" -gt 1 ]; then echo '0 passed, 1 failed'; fi
  exit "$status"
)

# guest_suites "SUITE..." RUNTIME...: runs the tests of both boots; the last line has the totals. A guest runs its tests one after another
# and keeps one processor busy, so each runtime has its own guests, which run in parallel.
guest_suites() {
  local suites=$1 boot runtime output line passed=0 failed=0 lanes=()
  shift
  guest_image
  # Make the shared parts first, or the parallel boots would each make them.
  test/integration/prepare
  output=$(mktemp -d)
  for runtime; do
    for boot in apparmor selinux; do
      guest_boot_suites "$boot" "$suites" "$runtime" >"$output/$runtime.$boot" 2>&1 || true # its last line reports the failures
    done &
    lanes+=("$!")
  done
  wait "${lanes[@]}"
  for runtime; do
    for boot in apparmor selinux; do
      cat "$output/$runtime.$boot"
      if [[ $(tail -n 1 "$output/$runtime.$boot") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
      else
        failed=$((failed + 1))
      fi
    done
  done
  rm -rf -- "$output"
  echo "$passed passed, $failed failed"
  [ "$failed" = 0 ]
}

# guest_test RUNTIME FILTER...: runs the integration tests that the filters select, in the boot TSRUNC_GUEST_BOOT (apparmor or selinux).
guest_test() (
  local runtime=$1
  shift
  filters=("$@")
  listed() { if [ "$2" = integration ]; then printf '%s\n' "${filters[@]}"; fi; }
  guest_image
  test/integration/prepare
  guest_boot_suites "${TSRUNC_GUEST_BOOT:-apparmor}" integration "$runtime"
)
