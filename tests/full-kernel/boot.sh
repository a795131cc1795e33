#!/bin/bash
# Runs a command as root on a kernel that has every traffic control module: user-mode Linux, an ordinary process whose root is this machine's own
# file tree, read-only but for artifacts/. Ends with the command's exit code; 124 when it took too long, 125 when the guest ended without one.
#   boot.sh COMMAND ARGUMENTS...
#   boot.sh                          a shell
# FULL_KERNEL_MINUTES is the limit (10), FULL_KERNEL_MEMORY the guest's memory (2G).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
command -v ip >/dev/null || export PATH=$PATH:/usr/sbin:/sbin
[[ $# -gt 0 || -t 0 ]] || { echo "usage: $0 COMMAND ARGUMENTS...; a shell needs a terminal" >&2; exit 2; }

"$here/../deps.sh" user-mode-linux:linux.uml kmod:modprobe >&2
mkdir -p "$repository/artifacts"

# What the two sides tell each other, the guest's control socket and, where /dev/shm is small, its memory.
work=$(mktemp -d "${TMPDIR:-/tmp}/full-kernel.XXXXXXXX")
guest=
finish() {
    trap '' INT TERM HUP
    if [[ -n $guest ]]; then
        # timeout passes the signal on to the group that it made, in which all of the guest's processes are.
        kill "$guest" 2>/dev/null && wait "$guest" || true
    fi
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 143' INT TERM HUP

cp "$here/init.sh" "$work/init"
chmod 755 "$work/init"
{
    echo "repository=${repository@Q} directory=${PWD@Q} command=(${*@Q}) path=${PATH@Q}"
    for name in DOTNET_ROOT PORTMAP_PLUGIN; do
        [[ -z ${!name:-} ]] || echo "export $name=${!name@Q}"
    done
} >"$work/settings"

# The guest's memory is an unlinked file, which may not be larger than what holds it.
if [[ $(df --output=avail -B1M /dev/shm 2>/dev/null | tail -n 1) -lt 2500 ]]; then
    export TMPDIR=$work
else
    unset TMPDIR
fi
linux=(linux.uml "mem=${FULL_KERNEL_MEMORY:-2G}" "umid=${work##*/}" "uml_dir=$work" root=/dev/root rootfstype=hostfs rootflags=/ ro "init=$work/init"
    con=null con0=fd:0,fd:1 quiet loglevel=3)

status=0
if [[ $# -eq 0 ]]; then
    "${linux[@]}" || status=$?
else
    timeout --kill-after=10 "${FULL_KERNEL_MINUTES:-10}m" "${linux[@]}" </dev/null &
    guest=$!
    wait "$guest" || status=$?
    guest=
fi

if [[ $status -eq 124 || $status -eq 137 ]]; then
    echo "the guest was ended after ${FULL_KERNEL_MINUTES:-10} minutes" >&2
    exit 124
fi
if [[ ! -s $work/status ]]; then
    echo "the guest ended without an exit code of the command (its own: $status)" >&2
    exit 125
fi
exit "$(<"$work/status")"
