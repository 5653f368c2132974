# Boots a guest from the image.

# guest_boot DIR COMMAND [RESULTS]: runs COMMAND in a fresh guest that has a writable copy of DIR as /payload. Streams the output of
# COMMAND, and copies the contents of the guest's /payload/results into the folder RESULTS. Returns the exit status of COMMAND, or 125 if
# the guest ended without one.
guest_boot() (
  folder=$(mktemp -d /var/tmp/tsrunc-guest.XXXXXX)
  qemu=
  trap '[ -z "$qemu" ] || kill "$qemu" 2>/dev/null; rm -rf -- "$folder"' EXIT
  # Hard links are faster, and enough: only the content goes into the image.
  cp -al -- "$1" "$folder/payload" 2>/dev/null || { rm -rf -- "$folder/payload"; cp -a -- "$1" "$folder/payload"; }
  rm -f -- "$folder/payload/command"
  printf '%s\n' "$2" >"$folder/payload/command"
  truncate -s $(($(du -sm "$folder/payload" | cut -f1) * 5 / 4 + 64))M "$folder/payload.ext4"
  mkfs.ext4 -q -F -O ^has_journal,^metadata_csum -E lazy_itable_init=1,root_owner=0:0 -m 0 -d "$folder/payload" "$folder/payload.ext4"
  rm -rf -- "$folder/payload"
  mkfifo "$folder/output"
  start_qemu "$folder" >"$folder/qemu" 2>&1 </dev/null &
  qemu=$!
  status=125
  # Forward line by line, so that the status, which is the last line, follows all output.
  while IFS= read -r line; do
    case "$line" in
      guest-status\ *)
        status=${line#guest-status }
        break
        ;;
      *) printf '%s\n' "$line" ;;
    esac
  done <"$folder/output"
  kill "$qemu" 2>/dev/null || true
  wait "$qemu" 2>/dev/null || true
  qemu=
  if [ -n "${3:-}" ] && [ "$status" != 125 ]; then
    mkdir -p "$3"
    tar -x -C "$3" -f "$folder/results"
  fi
  if [ "$status" = 125 ]; then
    echo "guest: it ended without an exit status; its console and QEMU said:" >&2
    tail -n 30 "$folder/console" "$folder/qemu" >&2 || true
  fi
  exit "$status"
)

# Executes QEMU. The drives are snapshots, so the guest does not change the image.
start_qemu() {
  local image=$guest_cache/image accel=tcg,thread=multi,tb-size=1024 cpu=max
  case "${TSRUNC_GUEST_ACCEL:-tcg}" in kvm*) accel=$TSRUNC_GUEST_ACCEL cpu=host ;; esac
  local parameters=(console=ttyS0 root=/dev/vda rw quiet loglevel=4 panic=-1 reboot=t mitigations=off nopti nokaslr init_on_alloc=0
    tsc=reliable no_timer_check random.trust_cpu=on audit=0 systemd.unified_cgroup_hierarchy=1
    systemd.unit=guest.target systemd.show_status=0 systemd.log_target=console ${TSRUNC_GUEST_KERNEL:-})
  exec timeout -k 5 "${TSRUNC_GUEST_SECONDS:-1500}" qemu-system-x86_64 \
    -M pc,usb=off,vmport=off,smm=off,i8042=off,graphics=off -accel "$accel" -cpu "$cpu" -smp 2 -m 2048 \
    -nodefaults -no-user-config -display none -no-reboot -snapshot \
    -kernel "$guest_cache/kernel/vmlinux" -initrd "$image/initramfs.cpio" -append "${parameters[*]}" -serial "file:$1/console" \
    -drive "if=none,id=root,file=$image/root.ext4,format=raw,cache=unsafe" -device virtio-blk-pci,drive=root \
    -drive "if=none,id=payload,file=$1/payload.ext4,format=raw,cache=unsafe" -device virtio-blk-pci,drive=payload \
    -device virtio-rng-pci -device virtio-serial-pci,max_ports=3 \
    -chardev "file,id=output,path=$1/output" -device virtserialport,chardev=output,nr=1 \
    -chardev "file,id=results,path=$1/results" -device virtserialport,chardev=results,nr=2
}
