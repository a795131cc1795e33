#!/bin/bash
# Publishes one program as a static NativeAOT file into artifacts/bin.
set -euo pipefail
cd "$(dirname "$0")/.."
program=$1
project=src/$program

# Own object folders, so that the ordinary build and this one do not restore over each other. A lock, because both programs share libraries.
mkdir -p artifacts/publish artifacts/bin
exec 9>artifacts/publish/.lock
flock 9

publish() { # FRAMEWORK COMMAND ARGUMENTS...
    local framework=$1 command=$2
    shift 2
    # Without the lock: the SDK leaves servers behind (compiler, MSBuild nodes) that would hold it for a quarter of an hour.
    dotnet "$command" "$project" -r linux-x64 -p:AotFramework="$framework" --artifacts-path "artifacts/publish/$framework" "$@" 9>&-
}

# .NET 10 needs a runtime pack that not every package source carries; the 9.0 compiler package carries everything itself.
framework=net10.0
log=artifacts/publish/restore-$program.log
if ! publish net10.0 restore -v q >"$log" 2>&1; then
    if ! grep -q NU110 "$log"; then
        cat "$log" >&2
        exit 1
    fi
    framework=net9.0
fi

echo "publishing $program for $framework"
publish "$framework" publish -c Release -f "$framework" -v q -o "artifacts/publish/out/$program"

# By a rename, so that a plugin that runs just now is not overwritten.
built=artifacts/publish/out/$program/$program
kind=$(file -b "$built")
[[ $kind == *"statically linked"* || $kind == *"static-pie linked"* ]] || { echo "$program is not static: $kind" >&2; exit 1; }
temporary=$(mktemp "artifacts/bin/.$program.XXXXXX")
trap 'rm -f "$temporary"' EXIT
cp "$built" "$temporary"
chmod 755 "$temporary"
mv "$temporary" "artifacts/bin/$program"
echo "artifacts/bin/$program: $framework, $(stat -c %s "artifacts/bin/$program") bytes, static"
