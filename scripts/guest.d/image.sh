# Makes what a guest boots from: tree (Debian by debootstrap), kernel (Debian's, unpacked), image (root file system and initramfs).
# Each is a folder of $guest_cache with a file `recipe` that says what it was made from.

guest_cache=${TSRUNC_TEST_CACHE:-/var/tmp/tsrunc-test-cache}/guest
guest_release=bookworm
# dbus-user-session and libpam-systemd: the user manager of rootless containers. runc and crun: to compare with.
guest_packages=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,udev,kmod,procps,iproute2,runc,crun,criu,iptables,apparmor,busybox-static,uidmap,strace,libstdc++6
# Of the kernel's modules only these: file systems, networks, and what a virtual machine has.
guest_modules=(arch block crypto fs lib mm net drivers/block drivers/char drivers/virtio drivers/net/{veth,dummy,tun,virtio_net,net_failover}.ko)
# Loaded by the initramfs, with what they need.
guest_boot_modules=(virtio_pci virtio_blk virtio_console virtio_rng ext4)

# provide PART RECIPE FUNCTION: makes $guest_cache/PART by FUNCTION, which fills a folder, unless it was made from the same recipe.
# An interrupted run leaves nothing half done.
provide() {
  local part=$guest_cache/$1 recipe=$2 log=$guest_cache/$1.log
  if [ -f "$part/recipe" ] && [ "$(cat "$part/recipe")" = "$recipe" ]; then return 0; fi
  echo "# guest: making the $1"
  rm -rf --one-file-system -- "$part" "$part.part"
  mkdir -p "$part.part"
  # In a shell of its own: a function in a condition would not stop at its first error.
  (set -e; "$3" "$part.part") >"$log" 2>&1 &
  wait $! || { tail -n 30 "$log" >&2; echo "guest: making the $1 failed, see $log" >&2; return 1; }
  printf '%s\n' "$recipe" >"$part.part/recipe"
  mv "$part.part" "$part"
}

make_tree() {
  debootstrap --variant=minbase --include="$guest_packages" "$guest_release" "$1/root"
  rm -rf -- "$1"/root/var/cache/apt/archives/*.deb "$1"/root/var/lib/apt/lists/* "$1"/root/usr/share/{doc,man,locale}
}

make_kernel() {
  local package=linux-image-$guest_kernel
  (cd "$1" && apt-get -o APT::Sandbox::User=root download "$package" && dpkg-deb -x "$package"_*.deb . && rm -- "$package"_*.deb)
  # QEMU boots the kernel itself at once; unpacking its compressed form would take the emulator several seconds.
  node scripts/guest.d/unpack-kernel.mjs "$1/boot/vmlinuz-$guest_kernel" "$1/vmlinux"
  find "$1/lib/modules" -name '*.ko.xz' -print0 | xargs -0r -P2 -n64 xz -d
  depmod -b "$1" "$guest_kernel"
}

make_image() {
  local root=$1/root modules=lib/modules/$guest_kernel
  cp -a --reflink=auto "$guest_cache/tree/root" "$root"
  mkdir -p "$root/$modules/kernel" "$root/payload"
  cp "$guest_cache/kernel/$modules"/modules.* "$root/$modules"
  (cd "$guest_cache/kernel/$modules/kernel" && cp -a --parents "${guest_modules[@]}" "$root/$modules/kernel")
  depmod -b "$root" "$guest_kernel"
  [ -x "$root/usr/bin/node" ] || cp -L "$(command -v node)" "$root/usr/bin/node"
  scripts/guest.d/configure-root "$root"
  truncate -s 3G "$1/root.ext4"
  mkfs.ext4 -q -F -O ^has_journal,^metadata_csum -E lazy_itable_init=1 -m 0 -d "$root" "$1/root.ext4"
  rm -rf --one-file-system -- "$root"
  make_initramfs "$1"
}

make_initramfs() {
  local tree=$1/initramfs module file
  mkdir -p "$tree"/{dev,new,modules}
  cp /bin/busybox "$tree/busybox"
  for module in "${guest_boot_modules[@]}"; do
    modprobe -d "$guest_cache/kernel" -S "$guest_kernel" --show-depends "$module" | awk '$1 == "insmod" { print $2 }'
  done | awk '!seen[$0]++' >"$1/order"
  while read -r file; do
    cp "$file" "$tree/modules"
    echo "/busybox insmod /modules/${file##*/}"
  done <"$1/order" >"$1/insmod"
  { echo '#!/busybox sh'; cat "$1/insmod" scripts/guest.d/initramfs; } >"$tree/init"
  chmod 0755 "$tree/init"
  (cd "$tree" && find . | cpio -o -H newc --quiet) >"$1/initramfs.cpio"
  rm -rf -- "$tree" "$1/order" "$1/insmod"
}

# Makes or renews all parts.
guest_image() {
  local tool
  for tool in debootstrap qemu-system-x86_64 mkfs.ext4 busybox cpio depmod node; do
    command -v "$tool" >/dev/null || { echo "guest: $tool is missing: ./scripts/bootstrap test" >&2; return 1; }
  done
  mkdir -p "$guest_cache"
  exec 8>"$guest_cache/lock"
  flock 8
  if [ -z "$(apt-cache policy linux-image-amd64 | grep Candidate:)" ]; then apt-get update -qq; fi
  # The cloud kernel lacks AppArmor's and QEMU's drivers; this is the one that Debian's users have.
  guest_kernel=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: linux-image-\([0-9].*\)/\1/p' | head -n 1)
  [ -n "$guest_kernel" ] || { echo "guest: apt knows no linux-image-amd64" >&2; return 1; }
  provide tree "$guest_release $guest_packages" make_tree
  provide kernel "$guest_kernel" make_kernel
  provide image "$(cat "$guest_cache"/{tree,kernel}/recipe scripts/guest.d/{image.sh,configure-root,initramfs,guest-run} | sha256sum) node $(node --version)" make_image
  exec 8>&-
}
