# SELinux in the guest: a boot of its own, because a kernel has one of AppArmor and SELinux.

# Runs the tests of security modules. The last line is `N passed, N failed`, also where the guest ends without a result.
guest_selinux() {
  local payload status=0
  guest_image
  payload=$(mktemp -d /var/tmp/tsrunc-guest.XXXXXX)
  fill_payload "$payload"
  node scripts/guest.d/selinux-policy.mjs >"$payload/policy.conf"
  checkpolicy --mls --handle-unknown=allow -c 33 -o "$payload/policy" "$payload/policy.conf"
  TSRUNC_GUEST_KERNEL="security=selinux ${TSRUNC_GUEST_KERNEL:-}" guest_boot "$payload" "
    export TSRUNC_TEST_SLOWNESS=$guest_slowness TSRUNC_MUST_WORK=1 CI=true TSRUNC_TEST_VERBOSE='${TSRUNC_TEST_VERBOSE:-}'
    modprobe loop; mkdir -p /run/mount
    [ -e /sys/fs/selinux/load ] || mount -t selinuxfs selinuxfs /sys/fs/selinux
    dd if=/payload/policy of=/sys/fs/selinux/load bs=1M status=none
    cd /payload && test/integration/execute /payload/build/tsrunc /payload/tests security-modules" || status=$?
  rm -rf -- "$payload"
  if [ "$status" -gt 1 ]; then echo '0 passed, 1 failed'; fi
  return "$status"
}
