#!/bin/bash
# Runs .ci/run for a clone of HEAD on a new machine: a root directory with nothing but Debian's required packages, make, git and the .NET SDK,
# so that what `make test` needs and does not install is missed. Needs root; network, kernel and processors are this machine's.
#   new-machine.sh [COMMAND]           anew, with .ci/run or another command; a machine that passed is removed
#   new-machine.sh --again [COMMAND]   goes on with the one that a failure left behind, in its clone as it is
# What is mounted is mounted in a namespace of its own and so goes with the run, however that ends.
set -euo pipefail
cd "$(dirname "$0")/.."
place=$PWD/artifacts/new-machine
root=$place/root
[[ $(id -u) -eq 0 ]] || { echo "a new machine is made by root" >&2; exit 1; }

again=
[[ ${1:-} != --again ]] || { again=yes; shift; }
[[ $# -gt 0 ]] || set -- .ci/run

mkdir -p "$place"
exec 9>"$place/lock"
flock --nonblock 9 || { echo "another run is at work in $place" >&2; exit 1; }

# No PID namespace: the tests' cgroups are named after their process, and those of dead ones are swept by whatever run comes along.
finish() {
    trap '' INT TERM
    for process in /proc/[0-9]*; do
        # The same directory, by device and number: its name is another one in another mount namespace.
        if [[ -d $root && $process/root -ef $root ]]; then kill -KILL "${process#/proc/}" 2>/dev/null || true; fi
    done
}
trap finish EXIT
trap 'exit 143' INT TERM HUP

inside() { # COMMAND ARGUMENTS...
    local settings=()
    local name
    # What this machine needs for its package sources.
    for name in $(compgen -e | grep -E '^(DOTNET_|NUGET_|SSL_CERT_)|_proxy$|_PROXY$'); do settings+=("$name=${!name}"); done
    dotnet=$(dirname "$(readlink -f "$(command -v dotnet)")") unshare --mount --propagation private bash -euo pipefail -c '
        root=$1
        shift
        # A root that is a mount, as one is: without that unshare and mount refuse what they do elsewhere.
        mount --bind "$root" "$root"
        mount --rbind /dev "$root/dev"
        mount -t proc proc "$root/proc"
        mount --rbind /sys "$root/sys"
        mount -t tmpfs -o mode=755 run "$root/run"
        mount -t tmpfs -o mode=1777 tmp "$root/tmp"
        mkdir -p "$root/run/netns" "$root/run/lock" "$root/usr/share/dotnet" "$root/root/.nuget" "$HOME/.nuget"
        mount --bind "$dotnet" "$root/usr/share/dotnet"
        mount --bind "$HOME/.nuget" "$root/root/.nuget"
        cd "$root"
        pivot_root . .
        umount --lazy .
        exec chroot . "$@"
    ' bash "$root" env -i HOME=/root TERM=dumb LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        DEBIAN_FRONTEND=noninteractive "${settings[@]}" "$@" </dev/null
}

if [[ -z $again ]]; then
    tests/deps.sh debootstrap:debootstrap
    # shellcheck disable=SC1091
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    # The words in $() are apt's.
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' | sed -n "s/^$suite //p" | head -n 1)
    [[ -n $mirror ]] || { echo "this machine's apt knows no mirror of $suite" >&2; exit 1; }

    rm -rf --one-file-system "$root"
    debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$place/debootstrap.log" || { tail "$place/debootstrap.log" >&2; exit 1; }

    # This machine's package sources: its keys, its settings of how to get at them, its resolver, and whom it trusts.
    rm -f "$root/etc/apt/sources.list"
    for entry in sources.list sources.list.d trusted.gpg trusted.gpg.d keyrings auth.conf.d; do
        [[ ! -e /etc/apt/$entry ]] || cp -a "/etc/apt/$entry" "$root/etc/apt/"
    done
    apt-config dump Acquire >"$root/etc/apt/apt.conf.d/90acquire"
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
    [[ ! -d /usr/local/share/ca-certificates ]] || cp -rL /usr/local/share/ca-certificates "$root/usr/local/share/"
    ln -s /usr/share/dotnet/dotnet "$root/usr/bin/dotnet"
    inside apt-get update -qq
    # Besides make and git only what the SDK's own package depends on; the name of the library with the languages has its version in it.
    icu=$(inside apt-cache search --names-only '^libicu[0-9]+$' | cut -d ' ' -f 1)
    inside apt-get install -y -qq --no-install-recommends make git ca-certificates tzdata zlib1g libstdc++6 libssl3 libgssapi-krb5-2 "$icu" \
        >"$place/apt.log" 2>&1 || { tail "$place/apt.log" >&2; exit 1; }
    inside apt-get clean
    git clone -q --no-hardlinks . "$root/root/checkout"
fi

status=0
# Beside this shell, which heeds a signal only so.
inside bash -c 'cd /root/checkout && exec "$@"' bash "$@" &
wait $! || status=$?
rm -rf "$place/test-results"
[[ ! -d $root/root/checkout/artifacts/test-results ]] || cp -r "$root/root/checkout/artifacts/test-results" "$place/"
finish
if [[ -z $again && $status -eq 0 ]]; then
    rm -rf --one-file-system "$root"
else
    echo "$root stays for a look: $0 --again COMMAND" >&2
fi
exit "$status"
