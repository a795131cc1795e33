#!/bin/bash
# Makes artifacts/tools/path, a directory of links to the programs that tests may start, and prints it: it is the whole PATH of a test run.
# So a test that starts what only this machine happens to have fails here, in whatever child of a child, and not first on another machine.
# In it are the programs of Debian's essential and required packages, of those that deps.sh sees to for the same arguments, of all that
# these depend on (apt brings them along on every machine), and dotnet. Where a dependency offers a choice, the first that is installed counts.
# A program that is started by its absolute path, or with another PATH, is not held back: see ProgramPathTests and new-machine.sh.
# Arguments: those of deps.sh; before them --in and another directory where wanted.
set -euo pipefail
cd "$(dirname "$0")/.."
place=$PWD/artifacts/tools/path
if [[ ${1:-} == --in ]]; then
    place=$2
    shift 2
fi
search=$PATH:/usr/sbin:/sbin

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tests/deps.sh --names "$@" >"$work/names"

# One line a package: its name, whether every Debian has it, what it provides, what it depends on.
dpkg-query --show --showformat='${db:Status-Status}\t${Package}\t${Essential} ${Priority}\t${Provides}\t${Pre-Depends}, ${Depends}\n' >"$work/packages"
awk -F '\t' '
    function bare(name) { sub(/ *[(].*/, "", name); sub(/:.*/, "", name); gsub(/[ \t]/, "", name); return name }
    function add(name) { if (!(name in chosen)) { chosen[name]; queue[++last] = name } }
    FNR == NR { wanted[$1]; next }
    $1 == "installed" {
        depends[$2] = depends[$2] ", " $5
        if ($3 ~ /^yes/ || $3 ~ / required$/) add($2)
        count = split($4, provided, ",")
        for (i = 1; i <= count; i++) provider[bare(provided[i])] = $2
    }
    END {
        for (name in wanted) if (name in depends) add(name)
        for (first = 1; first <= last; first++) {
            count = split(depends[queue[first]], clauses, ",")
            for (i = 1; i <= count; i++) {
                choices = split(clauses[i], choice, "|")
                for (j = 1; j <= choices; j++) {
                    name = bare(choice[j])
                    if (!(name in depends)) name = name in provider ? provider[name] : ""
                    if (name != "") { add(name); break }
                }
            }
        }
        for (name in chosen) print name
    }' "$work/names" "$work/packages" >"$work/chosen"

# A library for several architectures has one list of files for each; what is missing in a list is of no interest here.
xargs dpkg-query --listfiles <"$work/chosen" | grep -E '^(/usr)?/s?bin/[^/]+$' >"$work/programs"
# awk, which and pager are links that no package has in its list: they lead to a program that one has.
while read -r link; do
    real=$(readlink -f "$link") || continue
    if grep -qxF -e "$real" -e "${real#/usr}" "$work/programs"; then echo "$link"; fi
done < <(find /usr/bin /usr/sbin -maxdepth 1 -type l -lname '/etc/alternatives/*') >>"$work/programs"
dotnet=$(PATH=$search command -v dotnet) || { echo "dotnet is not on the PATH" >&2; exit 1; }
readlink -f "$dotnet" >>"$work/programs"

# By which who is not root becomes it for the tests.
[[ $(id -u) -eq 0 ]] || PATH=$search command -v sudo >>"$work/programs" || true

# Made apart and moved: tests may be running with the one that is there.
fresh=$place.$$
rm -rf "$fresh"
mkdir -p "$fresh"
sort -u "$work/programs" | xargs ln -sf -t "$fresh"
[[ -d $place ]] && diff -r --no-dereference "$place" "$fresh" >/dev/null && rm -rf "$fresh" || { rm -rf "$place"; mv -T "$fresh" "$place"; }
echo "$place"
