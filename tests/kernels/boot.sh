#!/bin/bash
# Boots the newest kernel that a package of Debian's depends on, in an emulator, and plays init.sh in it. What the guest says goes to stdout.
#   boot.sh PACKAGE             linux-image-cloud-amd64, linux-image-6.12-cloud-amd64, ...
#   boot.sh --shell PACKAGE     a shell in the guest, from a terminal; `exit` switches it off
# The kernel and its modules are taken out of the package, nothing is installed. PORTMAP_PLUGIN names another binary of the plugin.
# The guest ends with this script, and this script when its standard input is closed by who has started it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
command -v ip >/dev/null || export PATH=$PATH:/usr/sbin:/sbin
shell=
if [[ ${1:-} == --shell ]]; then
    shell=yes
    shift
fi
[[ $# -eq 1 ]] || { echo "usage: $0 [--shell] PACKAGE" >&2; exit 2; }
meta=$1
store=$repository/artifacts/kernels/$meta
programs=$repository/artifacts/bin
"$here/../deps.sh" qemu-system-x86:qemu-system-x86_64 kmod:depmod cpio:cpio xz-utils:xz busybox-static@bin/busybox >&2

# In the order in which they are loaded; what they need comes before them.
modules=(veth sch_ingress cls_u32 cls_bpf act_mirred act_pedit sch_htb sch_fq_codel)

work=$(mktemp -d "${TMPDIR:-/tmp}/kernels.XXXXXXXX")
guest= watcher=
finish() {
    trap '' INT TERM HUP PIPE
    for process in $guest $watcher; do
        kill "$process" 2>/dev/null && wait "$process" || true
    done
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 143' INT TERM HUP

as_root() {
    if [[ $(id -u) -eq 0 ]]; then "$@"; else sudo "$@"; fi
}

# The package that has the kernel itself, or nothing where no list of packages is at hand.
newest() {
    apt-cache depends --no-recommends --no-suggests "$meta" 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1
}

# A kernel of yesterday would hide what today's does. Two of these may run at once.
refresh() {
    exec 8>"$repository/artifacts/kernels/.lock"
    flock 8
    local lists=/var/lib/apt/lists
    if [[ -z $(newest) || -z $(find "$lists" -maxdepth 1 -name '*Packages*' -mmin -720 -print -quit 2>/dev/null) ]]; then
        as_root apt-get update -qq >&2 || echo "the lists of packages could not be renewed" >&2
        as_root find "$lists" -maxdepth 1 -name '*Packages*' -exec touch {} + 2>/dev/null || true
    fi
    flock -u 8
}

fetch() { # PACKAGE
    echo "taking the kernel out of $1" >&2
    mkdir "$work/package" "$work/new"
    (cd "$work/package" && apt-get download -qq "$1" >&2 && dpkg-deb --fsys-tarfile "$1"_*.deb | tar -x ./boot ./lib/modules)
    local version
    version=$(ls "$work/package/lib/modules")
    depmod -b "$work/package" "$version"
    cp "$work/package/boot/vmlinuz-$version" "$work/new/vmlinuz"
    mkdir "$work/new/modules"
    local number=100 file name
    while read -r _ file; do
        name=$(basename "$file")
        case $name in
            *.ko) cp "$file" "$work/new/modules/$number-$name" ;;
            *.ko.xz) xz -dc "$file" >"$work/new/modules/$number-${name%.xz}" ;;
            *.ko.zst) zstd -qdc "$file" >"$work/new/modules/$number-${name%.zst}" ;;
        esac
        number=$((number + 1))
    done < <(modprobe -d "$work/package" -S "$version" --show-depends -a "${modules[@]}" | grep '^insmod ' | awk '!seen[$2]++')
    echo "$1" >"$work/new/package"
    rm -rf "$work/package" "$store"
    mkdir -p "$(dirname "$store")"
    mv "$work/new" "$store"
}

mkdir -p "$repository/artifacts/kernels"
refresh
package=$(newest)
if [[ -z $package ]]; then
    [[ -s $store/package ]] || { echo "no list of packages tells which kernel $meta has, and none was taken earlier" >&2; exit 1; }
    echo "no list of packages tells which kernel $meta has: $(<"$store/package") of earlier is taken" >&2
elif [[ ! -s $store/package || $(<"$store/package") != "$package" ]]; then
    fetch "$package"
fi

# The guest's file tree.
root=$work/root
mkdir -p "$root"/{bin,proc,sys,dev,run,tmp,modules}
cp "$repository/artifacts/tools/bin/busybox" "$root/bin/busybox"
while read -r name; do
    [[ $name == busybox ]] || ln -s busybox "$root/bin/$name"
done < <("$root/bin/busybox" --list)
for program in ip tc nsenter unshare; do
    file=$(command -v "$program")
    rm -f "$root/bin/$program"
    cp -L "$file" "$root/bin/$program"
    while read -r library; do
        mkdir -p "$root$(dirname "$library")"
        cp -L "$library" "$root$library"
    done < <(ldd "$file" | grep -o '/[^ ]*')
done
cp "${PORTMAP_PLUGIN:-$programs/cni-portmap-isolate}" "$root/bin/cni-portmap-isolate"
cp "$programs/cni-portmap-exporter" "$root/bin/"
gcc -Wall -Wextra -Werror -O1 -static -o "$root/bin/traffic" "$here/traffic.c"
cp "$store"/modules/*.ko "$root/modules/"
cp "$here/init.sh" "$root/init"
chmod 755 "$root/init"
[[ -z $shell ]] || touch "$root/shell"
(cd "$root" && find . | cpio --quiet -o -H newc >"$work/initramfs")
rm -rf "$root"

emulator=(qemu-system-x86_64 -accel tcg -cpu max -m 768 -nographic -no-reboot -nic none -monitor none -serial stdio
    -kernel "$store/vmlinuz" -initrd "$work/initramfs" -append "console=ttyS0 quiet panic=-1 rdinit=/init")
if [[ -n $shell ]]; then
    "${emulator[@]}"
    exit
fi
exec 3<&0
"${emulator[@]}" </dev/null 2>&1 &
guest=$!
# Whoever has started this holds the other end of our input: when it is gone, nobody wants the guest any more.
(cat <&3 >/dev/null 2>&1; kill "$guest" 2>/dev/null) &
watcher=$!
status=0
wait "$guest" || status=$?
guest=
exit "$status"
