#!/bin/bash
# Packs the programs of artifacts/bin as Debian packages, into artifacts/deb or the directory that is given.
set -euo pipefail
cd "$(dirname "$0")/.."
destination=$(realpath -m "${1:-artifacts/deb}")
for program in cni-portmap-isolate cni-portmap-exporter; do
    [[ -x artifacts/bin/$program ]] || { echo "artifacts/bin/$program is missing: run make build" >&2; exit 1; }
done

version=$(packaging/version.sh)
# What the packages' own version promises, the programs must say too.
for program in cni-portmap-isolate cni-portmap-exporter; do
    told=$(artifacts/bin/$program --version)
    [[ ${version%%[~+]*} == "$told" ]] || { echo "artifacts/bin/$program is version $told, not ${version%%[~+]*}: run make build" >&2; exit 1; }
done

mkdir -p "$destination"
work=$(mktemp -d "$destination/.build.XXXXXX")
trap 'rm -rf "$work"' EXIT
source=$work/cni-portmap-isolate
mkdir "$source" "$source/bin"
cp -r packaging/debian packaging/man conf docs README.md "$source"
cp artifacts/bin/cni-portmap-isolate artifacts/bin/cni-portmap-exporter "$source/bin"

# The last entry of the change log is about the release that this becomes. With its time all files are dated, so that the same
# programs make the same packages.
time=$(git -c safe.directory='*' log -1 --format=%cD HEAD 2>/dev/null || date -R -r packaging/debian/changelog)
sed -i -e "1s/([^)]*)/($version)/" -e "0,/^ -- /s/^\( -- .*>  \).*/\1$time/" "$source/debian/changelog"

# Nothing is compiled here, so that a compiler need not be there; what is used is found out by its absence.
(cd "$source" && dpkg-buildpackage --build=binary --no-sign --no-check-builddeps) >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
rm -f "$destination"/cni-portmap-*.deb "$destination"/cni-portmap-*.{changes,buildinfo}
mv "$work"/*.deb "$work"/*.changes "$work"/*.buildinfo "$destination"
for package in "$destination"/*.deb; do
    echo "${package#"$PWD/"}: $(stat -c %s "$package") bytes"
done
