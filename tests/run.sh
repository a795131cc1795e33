#!/bin/bash
# Runs all test projects of the solution one after another, and ends with one line that sums them up.
set -euo pipefail
cd "$(dirname "$0")/.."

# The tests make network namespaces.
if [[ $(id -u) -ne 0 ]]; then
    command -v sudo >/dev/null || { echo "the tests make network namespaces and need root" >&2; exit 1; }
    exec sudo --preserve-env=PATH,HOME,PORTMAP_PLUGIN,NUGET_PACKAGES,DOTNET_ROOT "$0" "$@"
fi
export PATH=$PATH:/usr/sbin:/sbin DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1

results=artifacts/test-results
limit=${TEST_PROJECT_MINUTES:-40}
rm -rf "$results"
mkdir -p "$results"
dotnet build CniIsolator.sln -v q

# What failed is told once more at the end: who reads a log from there should not have to look for it.
failures=()
passed=0 failed=0 skipped=0
while read -r project; do
    name=$(basename "$project" .csproj)
    echo "== $name"
    status=0
    loggers=(--logger:"trx;LogFileName=$name.trx" --logger:"console;verbosity=minimal")
    if [[ $project == tests/full-kernel/* ]]; then
        # Inside a guest whose kernel has what this machine's may lack; it keeps to the limit itself.
        FULL_KERNEL_MINUTES=$limit tests/full-kernel/test.sh --ResultsDirectory:"$results" "${loggers[@]}" </dev/null || status=$?
    else
        timeout --kill-after=30 "${limit}m" dotnet test "$project" --no-build -v q --results-directory "$results" "${loggers[@]}" </dev/null || status=$?
    fi
    trx=$results/$name.trx
    counters=$(grep -o '<Counters [^>]*' "$trx" 2>/dev/null || true)
    count() { sed -n "s/.* $1=\"\([0-9]*\)\".*/\1/p" <<<" $counters"; }
    if [[ -z $counters ]]; then
        failures+=("$name: no result (exit code $status)")
        failed=$((failed + 1))
        continue
    fi
    outcomes() { tr '\n' ' ' <"$trx" | sed 's/<UnitTestResult /\n&/g' | grep "outcome=\"$1\"" || true; }
    total=$(count total) good=$(count passed) bad=$(count failed)
    # A crash leaves a result without failures behind.
    if [[ $status -ne 0 && $bad -eq 0 ]]; then
        failures+=("$name: ended with exit code $status")
        bad=1
    fi
    # One element on a line, then the message that follows a test which failed.
    while IFS= read -r line; do failures+=("$line"); done < <(outcomes Failed |
        sed 's/.*testName="\([^"]*\)".*<Message>\([^<]\{0,1500\}\).*/failed: \1: \2/; t; s/.*testName="\([^"]*\)".*/failed: \1/')
    unrun=$((total - good - $(count failed)))
    [[ $unrun -ge 0 ]] || unrun=0
    if [[ $unrun -gt 0 ]]; then
        outcomes NotExecuted | sed 's/.*testName="\([^"]*\)".*<Message>\([^<]*\)<.*/skipped: \1: \2/; t; s/.*testName="\([^"]*\)".*/skipped: \1/' || true
    fi
    passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + unrun))
done < <(find tests -name '*.Tests.csproj' | sort)

[[ ${#failures[@]} -eq 0 ]] || printf '%s\n' "${failures[@]}"
echo "$passed passed, $failed failed, $skipped skipped"
[[ $failed -eq 0 && $((passed)) -gt 0 ]]
