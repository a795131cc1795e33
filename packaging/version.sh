#!/bin/bash
# Prints the packages' version: the one that the programs tell of themselves where the checkout is the tag of that name or has no history
# (an unpacked archive); on the way to that release the commit stands behind it, in a way that sorts before the release.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n 's:.*<Version>\(.*\)</Version>.*:\1:p' Directory.Build.props)
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || { echo "Directory.Build.props: <Version> is \"$version\", not three numbers" >&2; exit 1; }

# A checkout of another user's is as good here: nothing of its configuration is run.
git() { command git -c safe.directory='*' -c core.fsmonitor=false "$@"; }
if command -v git >/dev/null && top=$(git rev-parse --show-toplevel 2>/dev/null) && [[ $top -ef . ]] &&
    ! git describe --exact-match --match "v$version" HEAD >/dev/null 2>&1; then
    version+=~git$(TZ=UTC git log -1 --date=format-local:%Y%m%d%H%M%S --format=%cd.%h HEAD)
fi
if [[ -n ${top:-} && $top -ef . && -n $(git status --porcelain 2>/dev/null) ]]; then
    version+=+changed
fi
echo "$version"
