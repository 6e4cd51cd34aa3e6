#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The planted bugs can still be planted. A patch that fails here is to be made again by hand, see tests/planted/run.
set -euo pipefail

# A copy: what Bazel gives are links. No repository around it, or git would look for the files there.
copy="$TEST_TMPDIR/copy"
mkdir -p "$copy"
cp -rL core net tests "$copy/"
cd "$copy"
export GIT_CEILING_DIRECTORIES="$TEST_TMPDIR"
count=0
for patch in tests/planted/*.patch; do
  # It must change something: where git takes a path to be outside, it skips it and says nothing.
  git apply --check "$patch" || { echo "$patch no longer applies" >&2; exit 1; }
  cp -r core "$TEST_TMPDIR/core.before"
  cp -r net "$TEST_TMPDIR/net.before"
  git apply "$patch"
  if diff -rq core "$TEST_TMPDIR/core.before" >/dev/null && diff -rq net "$TEST_TMPDIR/net.before" >/dev/null; then
    echo "$patch changes nothing" >&2
    exit 1
  fi
  git apply -R "$patch"
  rm -rf "$TEST_TMPDIR/core.before" "$TEST_TMPDIR/net.before"
  count=$((count + 1))
done
[ "$count" -eq 9 ] || { echo "there are $count planted bugs, not 9" >&2; exit 1; }
echo "all $count patches apply"
