#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# docs/PERFORMANCE.md, its charts and README.md's figures are what perf/results gives; perf/report writes them anew.
set -euo pipefail

"$(dirname "$(realpath WORKSPACE)")/perf/report" --check
