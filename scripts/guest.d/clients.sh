# Runs real clients in the guest, with cgroup v2 and systemd as the cgroup manager, which build machines lack. Run it by hand: a client's
# command takes seconds there, too long for CI.

# guest_clients RUNTIME [PART...]: runs scripts/guest.d/clients with build/tsrunc, build/tsrunc-node, or a runtime installed in the guest.
# PARTS: podman, rootless, containerd, docker; default all. The last line is `N passed, N failed`. A run of all parts writes its outcomes
# to build/clients/RUNTIME-guest.jsonl, for docs/clients.md.
guest_clients() {
  local runtime=$1 payload output status=0
  shift
  guest_image
  test/integration/prepare
  payload=$(mktemp -d /var/tmp/tsrunc-guest.XXXXXX)
  mkdir -p "$payload"/{root,image/{bin,etc,tmp,proc,sys,dev}}
  cp scripts/guest.d/{clients,clients-checkpoint} "$payload"
  if [ -e "build/$runtime" ]; then cp "build/$runtime" "$payload"; fi
  # Copies this machine's programs and libraries, because the guest has the same Debian release.
  copy_with_libraries "$payload/root" /usr/bin/podman /usr/bin/conmon /usr/bin/catatonit
  cp -a "$test_cache"/{containerd,docker}/usr "$payload/root"
  copy_with_libraries "$payload/root" "$test_cache/docker/usr/sbin/dockerd" "$test_cache/containerd/usr/bin/containerd"
  cp /bin/busybox "$payload/image/bin"
  cp scripts/guest.d/remember "$payload/image/bin"
  gcc -static -D_GNU_SOURCE -O1 -o "$payload/image/bin/keeps" test/integration/harness/native/keeps.c
  for applet in sh cat echo sleep id grep tail true kill touch; do ln "$payload/image/bin/busybox" "$payload/image/bin/$applet"; done
  echo 'root:x:0:0:root:/:/bin/sh' >"$payload/image/etc/passwd"
  tar -C "$payload/image" -cf "$payload/image.tar" .
  archive_image "$payload"
  output=$payload/output
  guest_boot "$payload" "exec bash /payload/clients $runtime $*" | tee "$output" || status=$?
  if [ $# = 0 ]; then
    mkdir -p build/clients
    sed -nE -e 's/^ok (.*) \(.*\)$/{"file": "guest", "name": "\1", "outcome": "pass"}/p' \
      -e 's/^not ok (.*) \(.*\)$/{"file": "guest", "name": "\1", "outcome": "fail"}/p' "$output" >"build/clients/$runtime-guest.jsonl"
  fi
  rm -rf -- "$payload"
  return "$status"
}

# archive_image PAYLOAD: makes image-archive.tar from image.tar, for clients that load only image archives.
archive_image() {
  local folder=$1/archive
  mkdir "$folder"
  ln "$1/image.tar" "$folder/layer.tar"
  printf '{"architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/bin"]}, "rootfs": {"type": "layers", "diff_ids": ["sha256:%s"]}}' \
    "$(sha256sum <"$1/image.tar" | cut -d ' ' -f 1)" >"$folder/config.json"
  echo '[{"Config": "config.json", "RepoTags": ["test:latest"], "Layers": ["layer.tar"]}]' >"$folder/manifest.json"
  tar -C "$folder" -cf "$1/image-archive.tar" .
  rm -r -- "$folder"
}

# copy_with_libraries ROOT PROGRAM...: copies the programs that are in /usr, and the libraries of all PROGRAMs, to ROOT.
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
