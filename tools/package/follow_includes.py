#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Writes the public headers: ROOT and every header that it includes, directly or not.
#
#   follow_includes.py ROOT OUT [NAME PATH]...     NAME as in #include "NAME"; PATH is where it lies
#
# server/mooring.h becomes OUT/mooring/mooring.h, core/task.h becomes OUT/mooring/core/task.h, and so say the includes
# in them: a program may have folders called core and net of its own.
import os
import re
import sys

INCLUDE = re.compile(r'^(\s*#\s*include\s*)"([^"]+)"', re.MULTILINE)


def main():
    root, out = sys.argv[1:3]
    paths = dict(zip(sys.argv[3::2], sys.argv[4::2]))
    if root not in paths:
        sys.exit("public headers: there is no %s among the headers of deps" % root)

    # The library's own are written anew; absl/... and what else the system has stays as it is.
    own_folders = {name.split("/")[0] for name in paths}

    def public_name(name):
        return "mooring/" + (os.path.basename(name) if name == root else name)

    waiting = [root]
    seen = {root}
    while waiting:
        name = waiting.pop()
        with open(paths[name], encoding="utf-8") as file:
            text = file.read()

        def rewrite(match):
            included = match.group(2)
            if included not in paths:
                if included.split("/")[0] in own_folders or "/" not in included:
                    sys.exit('public headers: %s includes "%s", which no dependency has' % (name, included))
                return match.group(0)
            if included not in seen:
                seen.add(included)
                waiting.append(included)
            return '%s"%s"' % (match.group(1), public_name(included))

        path = os.path.join(out, public_name(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(INCLUDE.sub(rewrite, text))


if __name__ == "__main__":
    main()
