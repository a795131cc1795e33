#!/bin/bash
# Installs the Debian packages that are missing, and touches nothing when none is.
# Arguments: further package:command pairs, where a command may be a path.
set -euo pipefail

wanted=(clang:clang lld:ld.lld gcc:gcc libc6-dev:/usr/include/stdio.h zlib1g-dev:/usr/include/zlib.h
    iproute2:ip iputils-ping:ping jq:jq file:file strace:strace "$@")
missing=()
for pair in "${wanted[@]}"; do
    package=${pair%%:*} probe=${pair#*:}
    # tc and ip live in /usr/sbin, which is not on everyone's path.
    if [[ $probe == /* ]]; then [[ -e $probe ]]; else PATH=$PATH:/usr/sbin:/sbin command -v "$probe" >/dev/null; fi || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

run=()
if [[ $(id -u) -ne 0 ]]; then
    command -v sudo >/dev/null || { echo "missing: ${missing[*]}; install them as root" >&2; exit 1; }
    run=(sudo)
fi
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${run[@]}" apt-get update -qq
"${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
