# Sourced by run.sh: the four layers of the initramfs, each a cpio archive under the cache, named by what went into it, so that
# a second run makes only the last. A function prints the path of its layer; messages go to standard error.
#   kernel: vmlinuz, network modules | userland: this machine's commands and their libraries | node_modules | the compiled project

cache=$PWD/node_modules/.cache/stock-kernel

commands='bash ip nft conntrack sipp tcpdump node xtables-nft-multi busybox kmod timeout'

digest() { sha256sum | cut -c1-16; }

# pack DIRECTORY ARCHIVE: whole, under its final name only once complete.
pack() {
  (cd "$1" && find . -print0 | cpio --null -o -H newc --quiet) > "$2.part" && mv "$2.part" "$2"
}

# kernel_package WANTED: the package itself, or the newest signed cloud kernel of a version.
kernel_package() {
  case $1 in
    linux-image-*) echo "$1" ;;
    *) apt-cache search --names-only "^linux-image-${1//./\\.}\\.[0-9].*cloud-amd64\$" | awk '{print $1}' | sort -V | tail -1 ;;
  esac
}

# Prints PREFIX of PREFIX.vmlinuz and PREFIX.cpio.
kernel_layer() {
  local prefix work deb
  prefix=$cache/kernel-$1-$(cksum < "$here/layers.sh" | cut -d" " -f1)
  if [ ! -e "$prefix.cpio" ]; then
    work=$(mktemp -d)
    echo "stock-kernel: fetching $1" >&2
    (cd "$work" && apt-get -q download "$1" > log 2>&1) || { cat "$work/log" >&2; rm -rf "$work"; return 1; }
    deb=$(echo "$work"/*.deb)
    mkdir "$work/root"
    # Network only: no disk, no sound, no hardware.
    dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$work/root" --wildcards './boot/vmlinuz-*' './lib/modules/*/modules.*' \
      './lib/modules/*/kernel/'{lib,crypto,arch/x86/crypto}'/*' './lib/modules/*/kernel/drivers/net/'{veth,dummy,ifb,tun,vrf}'.ko*' \
      './lib/modules/*/kernel/net/'{core,ipv4,ipv6,netfilter,sched,bridge,packet,netlink,unix,xfrm,8021q,802,llc}'/*' 2> "$work/tar"
    unpack_modules "$work/root" || return 1
    mv "$work"/root/boot/vmlinuz-* "$prefix.vmlinuz"
    rmdir "$work/root/boot"
    pack "$work/root" "$prefix.cpio"
    rm -rf "$work"
  fi
  echo "$prefix"
}

# modprobe inside needs no decompressor this way; depmod then finds only what was taken along.
unpack_modules() {
  local version
  version=$(basename "$1"/lib/modules/*)
  find "$1" -name '*.ko.xz' -print0 | xargs -0r -n 64 xz -d
  find "$1" -name '*.ko.zst' -print0 | xargs -0r -n 64 zstd -q -d --rm
  depmod -b "$1" "$version"
}

userland_layer() {
  local work archive
  archive=$cache/userland-$(userland_state | digest).cpio
  if [ ! -e "$archive" ]; then
    echo 'stock-kernel: collecting the userland' >&2
    rm -f "$cache"/userland-*
    work=$(mktemp -d)
    userland "$work" && pack "$work" "$archive"
    rm -rf "$work"
  fi
  [ -e "$archive" ] && echo "$archive"
}

userland_state() {
  local command
  cat "$here/layers.sh" "$here/init"
  for command in $commands; do stat -Lc '%n %s %Y' "$(command -v "$command")"; done 2> /dev/null
}

userland() {
  local root=$1 command name
  mkdir -p "$root"/{usr/bin,usr/sbin,usr/lib/x86_64-linux-gnu,etc,proc,sys,dev,run,tmp,var,root,opt}
  ln -s usr/bin "$root/bin"
  ln -s usr/sbin "$root/sbin"
  ln -s usr/lib "$root/lib"
  mkdir -p "$root/usr/lib64"
  ln -s usr/lib64 "$root/lib64"
  ln -s ../run "$root/var/run"
  for command in $commands; do
    cp -L "$(command -v "$command")" "$root/usr/bin/$command" || { echo "stock-kernel: no command $command here" >&2; return 1; }
  done
  strip "$root/usr/bin/node"
  for name in $(busybox --list); do [ -e "$root/usr/bin/$name" ] || ln -s busybox "$root/usr/bin/$name"; done
  for name in modprobe insmod rmmod lsmod modinfo depmod; do ln -sf ../bin/kmod "$root/usr/sbin/$name" && rm -f "$root/usr/bin/$name"; done
  for name in iptables ip6tables iptables-save ip6tables-save iptables-restore ip6tables-restore; do
    ln -s ../bin/xtables-nft-multi "$root/usr/sbin/$name"
  done
  ln -sf bash "$root/usr/bin/sh"
  cp -r /usr/lib/x86_64-linux-gnu/xtables "$root/usr/lib/x86_64-linux-gnu/"
  copy_libraries "$root"
  echo 'root:x:0:0:root:/root:/bin/sh' > "$root/etc/passwd"
  echo '127.0.0.1 localhost' > "$root/etc/hosts"
  cp /etc/protocols /etc/services "$root/etc/" 2> /dev/null || true
  install -m 755 "$here/init" "$root/init"
}

# What ldd says of every program and plug-in; the name service is loaded by name and so not among it.
copy_libraries() {
  local library
  find "$1/usr" -type f \( -perm -u+x -o -name '*.so' \) -print0 | xargs -0 -n 1 ldd 2> /dev/null \
    | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }' | sort -u \
    | while read -r library; do
      mkdir -p "$1$(dirname "$library")"
      [ -e "$1$library" ] || cp -L "$library" "$1$library"
    done
}

# What the compiled tests import; the tools of the build are left out.
node_modules_layer() {
  local archive work
  archive=$cache/node_modules-$(cat package-lock.json "$here/layers.sh" | digest).cpio
  if [ ! -e "$archive" ]; then
    echo 'stock-kernel: packing node_modules' >&2
    rm -f "$cache"/node_modules-*
    work=$(mktemp -d)
    mkdir -p "$work/opt/app"
    tar -c --exclude=node_modules/.cache --exclude=node_modules/.bin --exclude=node_modules/@biomejs --exclude=node_modules/@typescript \
      --exclude=node_modules/typescript --exclude=node_modules/tshy --exclude=node_modules/@types --exclude='*.map' --exclude='*.d.ts' \
      --exclude=node_modules/es-toolkit --exclude=node_modules/prismjs --exclude=node_modules/react-dom \
      node_modules | tar -x -C "$work/opt/app" && pack "$work" "$archive"
    rm -rf "$work"
  fi
  [ -e "$archive" ] && echo "$archive"
}

# app_layer DIRECTORY TEST... (or all): DIRECTORY/app.cpio with lib, test, dist and the addon, tests compiled to plain JavaScript
# (loading TypeScript under emulation costs more than the tests), and the list of tests to run.
app_layer() {
  local root=$1/app app=$1/app/opt/app name
  shift
  mkdir -p "$app"
  # Types are the type check's business.
  tsc -p . --noEmit false --noCheck --outDir "$app" || return 1
  tar -c --exclude='*.ts' --exclude=test/stock-kernel test package.json $(ls -d dist build/Release/cthelper.node) | tar -x -C "$app" || return 1
  cp "$here/guest.sh" "$app/"
  if [ "$1" != all ]; then
    for name in "$@"; do [ -e "$app/test/kernel/$name.test.js" ] || { echo "no such test: $name" >&2; return 1; }; done
    printf '%s\n' "$@" > "$app/tests"
  else
    (cd "$app/test/kernel" && ls -- *.test.js) | sed 's/\.test\.js$//' > "$app/tests"
  fi
  pack "$root" "${root%/app}/app.cpio"
}
