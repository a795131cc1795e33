#!/bin/bash
# Installs the Debian packages that are missing, and touches nothing when none is.
# Arguments, any number of:
#   PACKAGE:COMMAND   a further package, wanted where the command (it may be a path) is missing;
#   PACKAGE@FILE...   only files of a package, without installing it, into artifacts/tools: for programs whose package would start a
#                     server. FILE is the path in the package without the leading slash, several are joined by commas:
#                     prometheus@usr/bin/promtool makes artifacts/tools/usr/bin/promtool. What the files are linked with must be there.
# With --names before them it only prints the names of the packages that it sees to, those taken in part aside.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
tools=$root/artifacts/tools

wanted=(clang:clang lld:ld.lld gcc:gcc libc6-dev:/usr/include/stdio.h zlib1g-dev:/usr/include/zlib.h
    iproute2:ip iputils-ping:ping jq:jq file:file strace:strace)
names=
[[ ${1:-} != --names ]] || { names=yes; shift; }
missing=() partial=()
for argument in "$@"; do
    if [[ $argument != *@* ]]; then
        wanted+=("$argument")
        continue
    fi
    IFS=, read -ra files <<<"${argument#*@}"
    for file in "${files[@]}"; do
        [[ -e $tools/$file ]] || { partial+=("$argument"); break; }
    done
done
[[ -z $names ]] || { printf '%s\n' "${wanted[@]%%:*}"; exit 0; }
for pair in "${wanted[@]}"; do
    package=${pair%%:*} probe=${pair#*:}
    # tc and ip live in /usr/sbin, which is not on everyone's path.
    if [[ $probe == /* ]]; then [[ -e $probe ]]; else PATH=$PATH:/usr/sbin:/sbin command -v "$probe" >/dev/null; fi || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 || ${#partial[@]} -gt 0 ]] || exit 0

run=()
as_root() { # what needs root is told to who has no way to become it
    if [[ $(id -u) -ne 0 ]]; then
        command -v sudo >/dev/null || { echo "missing: $*; install them as root" >&2; exit 1; }
        run=(sudo)
    fi
}

if [[ ${#missing[@]} -gt 0 ]]; then
    as_root "${missing[@]}"
    echo "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    "${run[@]}" apt-get update -qq
    "${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

[[ ${#partial[@]} -gt 0 ]] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for argument in "${partial[@]}"; do
    package=${argument%%@*}
    echo "taking ${argument#*@} out of $package"
    # The lists of packages may be missing, or older than what the mirror still has.
    apt-get download -qq "$package" 2>apt.log || {
        as_root "$package"
        "${run[@]}" apt-get update -qq
        apt-get download -qq "$package" 2>apt.log || { cat apt.log >&2; exit 1; }
    }
    # Unpacked apart and moved, so that what is there is whole.
    IFS=, read -ra files <<<"${argument#*@}"
    mkdir unpacked
    dpkg-deb --fsys-tarfile "$package"_*.deb | tar -x -C unpacked "${files[@]/#/./}"
    for file in "${files[@]}"; do
        mkdir -p "$(dirname "$tools/$file")"
        mv -T "unpacked/$file" "$tools/$file.$$"
        mv -T "$tools/$file.$$" "$tools/$file"
    done
    rm -rf unpacked "$package"_*.deb
done
