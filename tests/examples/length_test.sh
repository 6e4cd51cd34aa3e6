#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/examples/length_test.sh FILE...: each example is under 60 lines, none of them longer than 120 columns.
set -euo pipefail
[ $# -gt 0 ] || { echo "length_test: no files" >&2; exit 1; }
status=0
for file in "$@"; do
  lines=$(wc -l <"$file")
  widest=$(awk '{ if (length($0) > w) w = length($0) } END { print w + 0 }' "$file")
  echo "$file: $lines lines, $widest columns"
  if [ "$lines" -ge 60 ] || [ "$widest" -gt 120 ]; then
    echo "$file: an example has at most 59 lines of at most 120 columns" >&2
    status=1
  fi
done
exit $status
