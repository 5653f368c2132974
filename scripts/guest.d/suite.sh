# The guest's share of the tests: what needs pure cgroup v2, systemd or AppArmor.

test_cache=${TSRUNC_TEST_CACHE:-/var/tmp/tsrunc-test-cache}
# A test that takes 0.1 s here takes up to 5 s there.
guest_slowness=10

# Copies what the tests need into the folder $1, laid out like the checkout.
fill_payload() {
  local payload=$1
  mkdir -p "$payload/build" "$payload/test/integration"
  cp build/tsrunc build/tsrunc-node "$payload/build"
  cp -r test/integration/{execute,expected} "$payload/test/integration"
  cp -r test/fixtures "$payload/test"
  # Links where the cache is on the same file system: half of the payload is this tree.
  test/integration/prepare
  mkdir "$payload/cache"
  cp -al "$test_cache/debian-systemd" "$payload/cache" 2>/dev/null || cp -a "$test_cache/debian-systemd/." "$payload/cache/debian-systemd"
  # The guest has no node_modules, so tap is in the bundles; it is CommonJS in part. While it is loaded it requires a module for
  # React elements, which no test has.
  mkdir -p "$payload/tests/node_modules/react-element-to-jsx-string"
  echo 'exports.default = String;' >"$payload/tests/node_modules/react-element-to-jsx-string/index.js"
  test/integration/bundle "$payload/tests" --packages=bundle \
    --banner:js='import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);'
}

# listed HOST: the filters of scripts/guest.d/tests for a host, one a line.
listed() {
  awk -F ' *[|] *' -v host="$1" '!/^(#|$)/ && ($2 == "both" || $2 == host) { print $1 }' scripts/guest.d/tests
}

# The command that the guest runs: each host's tests, their sum as last line.
suite_command() {
  local host filters
  echo "export TSRUNC_TEST_CACHE=/payload/cache TSRUNC_TEST_SLOWNESS=$guest_slowness TSRUNC_MUST_WORK=1 CI=true TSRUNC_TEST_VERBOSE='${TSRUNC_TEST_VERBOSE:-}'"
  # Both appear when they are used for the first time, and would be taken for leaks.
  echo 'modprobe loop; mkdir -p /run/mount'
  # The service manager of the rootless tests.
  echo 'loginctl enable-linger worker; for i in {1..300}; do [ ! -e /run/user/1000/systemd/private ] || break; sleep 0.1; done'
  echo 'cd /payload; passed=0 failed=0'
  for host in tsrunc tsrunc-node; do
    mapfile -t filters < <(listed "$host")
    [ "${#filters[@]}" -gt 0 ] || continue
    printf 'test/integration/execute /payload/build/%s /payload/tests' "$host"
    printf ' %q' "${filters[@]}"
    cat <<'COMMAND'
 | tee /tmp/results
last=$(tail -n 1 /tmp/results)
if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
  passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
else
  failed=$((failed + 1))
fi
COMMAND
  done
  cat <<'COMMAND'
read -r up _ </proc/uptime
echo "# guest: $up s"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
COMMAND
}

# Runs the tests in one boot. The last line is `N passed, N failed`, also where the guest ends without a result.
guest_suite() {
  local payload status=0
  guest_image
  payload=$(mktemp -d /var/tmp/tsrunc-guest.XXXXXX)
  fill_payload "$payload"
  guest_boot "$payload" "$(suite_command)" || status=$?
  rm -rf -- "$payload"
  if [ "$status" -gt 1 ]; then echo '0 passed, 1 failed'; fi
  return "$status"
}
