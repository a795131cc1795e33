#!/bin/bash
# Runs the built tests of this folder inside the guest. Arguments: those of `dotnet vstest`, such as --TestCaseFilter:DisplayName~Forty.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec tests/full-kernel/boot.sh dotnet vstest tests/full-kernel/bin/Debug/net10.0/CniIsolator.FullKernel.Tests.dll "$@"
