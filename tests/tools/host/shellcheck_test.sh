#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The shell scripts that it is given pass shellcheck, all of its warnings.
set -euo pipefail

command -v shellcheck >/dev/null || { echo "shellcheck is not installed (tests/packages)"; exit 1; }
[ $# -gt 0 ] || { echo "no script was given"; exit 1; }
shellcheck "$0" "$@"
