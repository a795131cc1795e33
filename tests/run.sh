#!/bin/bash
# Runs all test projects side by side, see tests/Run, and ends with one line that sums them up. Options: --help.
set -euo pipefail
cd "$(dirname "$0")/.."

# The tests make network namespaces.
if [[ $(id -u) -ne 0 ]]; then
    command -v sudo >/dev/null || { echo "the tests make network namespaces and need root" >&2; exit 1; }
    exec sudo --preserve-env=PATH,HOME,PORTMAP_PLUGIN,NUGET_PACKAGES,DOTNET_ROOT,CRASH_CELLS,PORTMAP_STRESS_MINUTES "$0" "$@"
fi
command -v ip >/dev/null || export PATH=$PATH:/usr/sbin:/sbin
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1

dotnet build CniIsolator.sln -v q
exec dotnet tests/Run/bin/Debug/net10.0/CniIsolator.Run.dll "$@"
