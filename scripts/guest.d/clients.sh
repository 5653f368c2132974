# Real clients in the guest: cgroup v2 with systemd as the cgroup manager, which no machine that builds has. By hand, not in CI: a command
# of a client takes seconds there.

# guest_clients RUNTIME [PART...]: runs scripts/guest.d/clients with build/tsrunc, build/tsrunc-node, or a runtime that the guest has.
# PARTS: podman, rootless, containerd, docker; default all. The last line is `N passed, N failed`.
guest_clients() {
  local runtime=$1 payload status=0
  shift
  guest_image
  test/integration/prepare
  payload=$(mktemp -d /var/tmp/tsrunc-guest.XXXXXX)
  mkdir -p "$payload"/{root,image/{bin,etc,tmp,proc,sys,dev}}
  cp scripts/guest.d/clients "$payload"
  if [ -e "build/$runtime" ]; then cp "build/$runtime" "$payload"; fi
  # Debian's programs of this machine and their libraries: the guest is of the same release.
  copy_with_libraries "$payload/root" /usr/bin/podman /usr/bin/conmon /usr/bin/catatonit
  cp -a "$test_cache"/{containerd,docker}/usr "$payload/root"
  copy_with_libraries "$payload/root" "$test_cache/docker/usr/sbin/dockerd" "$test_cache/containerd/usr/bin/containerd"
  cp /bin/busybox "$payload/image/bin"
  for applet in sh cat echo sleep id grep tail true kill touch; do ln "$payload/image/bin/busybox" "$payload/image/bin/$applet"; done
  echo 'root:x:0:0:root:/:/bin/sh' >"$payload/image/etc/passwd"
  tar -C "$payload/image" -cf "$payload/image.tar" .
  guest_boot "$payload" "exec bash /payload/clients $runtime $*" || status=$?
  rm -rf -- "$payload"
  return "$status"
}

# copy_with_libraries ROOT PROGRAM...: copies programs of /usr and the libraries of all to where they are on this machine.
copy_with_libraries() {
  local root=$1 program library
  shift
  for program; do
    case "$program" in /usr/*) cp -L --parents "$program" "$root" ;; esac
    for library in $(LD_LIBRARY_PATH="$test_cache/docker/usr/lib/x86_64-linux-gnu" ldd "$program" 2>/dev/null | grep -oE '/[^ ]+\.so[^ ]*'); do
      mkdir -p "$root/usr/lib/x86_64-linux-gnu"
      cp -Ln "$library" "$root/usr/lib/x86_64-linux-gnu"
    done
  done
}
