#!/bin/bash
# The first process of the guest: prepares it, runs the command, leaves its exit code and switches off. See boot.sh, which makes ./settings.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
work=$(dirname "$0")

# The kernel says nothing of it, so that the output is the command's alone. It takes a moment, and the kernel panics when its first process ends.
switch_off() {
    echo 0 >/proc/sys/kernel/printk
    halt -f -p >/dev/null 2>&1 || echo o >/proc/sysrq-trigger
    sleep 30
}
trap switch_off EXIT
set -e

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mkdir -p /run/boot /run/netns /run/modules/lib /dev/shm /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t devpts devpts /dev/pts
ln -s /proc/self/fd /dev/fd
ln -s /proc/self/fd/0 /dev/stdin
ln -s /proc/self/fd/1 /dev/stdout
ln -s /proc/self/fd/2 /dev/stderr
mount -t hostfs none /run/boot -o "$work"
. /run/boot/settings

# A folder for scratch files that is the guest's own. If the repository was in it, it is mounted where it was.
mount -t tmpfs tmpfs /tmp
mkdir -p /tmp/home
if [[ ! -d $repository ]]; then
    mkdir -p "$repository"
    mount -t hostfs none "$repository" -o "ro,$repository"
fi
# The one place of the machine's that can be written to.
mount -t hostfs none "$repository/artifacts" -o "$repository/artifacts"

# The modules are not where modprobe looks, neither ours nor the one that the kernel starts.
ln -s /usr/lib/uml/modules /run/modules/lib/modules
printf '#!/bin/sh\nexec modprobe -d /run/modules "$@"\n' >/run/modules/modprobe
chmod 755 /run/modules/modprobe
echo /run/modules/modprobe >/proc/sys/kernel/modprobe
/run/modules/modprobe -a ipv6 veth dummy ifb sch_ingress sch_htb sch_tbf sch_prio sch_fq_codel sch_netem cls_u32 cls_bpf cls_basic act_mirred act_gact

ip link set lo up
export HOME=/tmp/home LANG=C.UTF-8 TERM=dumb DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
# Every page that changes its protection is a costly matter here, and nobody debugs.
export DOTNET_EnableWriteXorExecute=0 DOTNET_EnableDiagnostics=0
set +e
cd "$directory"
if [[ ${#command[@]} -eq 0 ]]; then
    setsid --ctty --wait bash -i
else
    # As a pipe: no carriage returns, no echo.
    stty raw -echo
    env PATH="$path" "${command[@]}" </dev/null
fi
echo $? >/run/boot/status
