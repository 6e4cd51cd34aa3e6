# SPDX-License-Identifier: Apache-2.0
"""Markdown tables: columns in which no row has a figure are left out."""
from . import words


def Table(header, rows, *, keep=1):
    """The first `keep` columns stay whatever is in them."""
    rows = [[cell if cell not in (None, "") else "" for cell in row] for row in rows]
    used = [i for i in range(len(header)) if i < keep or any(row[i] not in ("", words.NONE) for row in rows)]
    lines = [Line([header[i] for i in used]), Line(["---"] * len(used))]
    return "\n".join(lines + [Line([row[i] for i in used]) for row in rows]) + "\n"


def Line(cells):
    return "| " + " | ".join(str(cell).replace("\n", " ").replace("|", "\\|") for cell in cells) + " |"
