#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Looks through the sources and the examples in the documents for coroutine forms that gcc 12 miscompiles without a
# warning. What it does not understand it lets pass; the whole suite under --config=gcc is the other net.
#
#   gcc_coroutines_test.py [FILE...]    the files, or the whole tree when none is given
#
# Each rule is tried first on samples that it has to find, and on their safe forms, which it must not.
import os
import re
import sys

# Designators of aggregates that are trivial, and so are safe as temporaries in an awaiting expression.
TRIVIAL = {"max_bytes", "deadline", "from", "bounds"}  # net::ReadOptions, net::ConnectOptions


def blank(match):
    return re.sub(r"[^\n]", " ", match.group())


def without_strings(text):
    """Strings and characters are blanked; comments stay, because examples stand in them, but lose their slashes."""
    text = re.sub(r'R"(\w*)\(.*?\)\1"', blank, text, flags=re.S)
    text = re.sub(r'"(\\.|[^"\\\n])*"', lambda m: '"' + " " * (len(m.group()) - 2) + '"', text)
    text = re.sub(r"'(\\.|[^'\\\n])'", lambda m: "'" + " " * (len(m.group()) - 2) + "'", text)
    return text.replace("//", "  ")


def closing(text, at):
    """Where the bracket that opens at `at` closes; None when it does not."""
    pairs = {"(": ")", "{": "}", "[": "]"}
    stack = []
    for i in range(at, len(text)):
        c = text[i]
        if c in pairs:
            stack.append(pairs[c])
        elif c in ")}]":
            if not stack or stack.pop() != c:
                return None
            if not stack:
                return i
    return None


def statements_with_await(text):
    """(start, text) from each co_await back to where its statement begins, and on to its end."""
    for match in re.finditer(r"\bco_await\b", text):
        begin = max(text.rfind(c, 0, match.start()) for c in ";{}") + 1
        depth = 0
        end = len(text)
        for i in range(match.end(), len(text)):
            c = text[i]
            if c in "({[":
                depth += 1
            elif c in ")}]":
                depth -= 1
            if (c == ";" and depth <= 0) or depth < -3:
                end = i
                break
        yield begin, match.start(), text[begin:end]


DECLARES = re.compile(r"^\s*(const\s+)?[\w:]+(<[^;]*>)?\s*[&*]*\s+[&*]*(\w+|\[[\w\s,]+\])\s*=\s*\(?\s*(\(void\)\s*)?co_await\b")


def await_in_condition(text):
    for match in re.finditer(r"\b(if|while|for|switch)\s*(?:constexpr\s*)?\(", text):
        opening = match.end() - 1
        end = closing(text, opening)
        if end is None:
            continue
        inside = text[opening + 1 : end]
        if "co_await" not in inside:
            continue
        if match.group(1) == "for" and ";" not in inside:
            continue  # range-for
        ticker = re.fullmatch(r"\s*co_await (\w+)\.Next\(\)\s*", inside)
        if ticker and re.search(r"\bEvery %s\(" % ticker.group(1), text[max(0, match.start() - 400) : match.start()]):
            continue  # the ticker is a local of the body
        for part in inside.split(";"):
            if "co_await" in part and not DECLARES.match(part):
                yield match.start(), "an await in a condition; name its result: if (const bool ok = co_await x; ok)"


def step_and_await(text):
    for begin, await_at, statement in statements_with_await(text):
        for match in re.finditer(r"(\w+)\s*(?:\+\+|--)|(?:\+\+|--)\s*(\w+)", statement):
            name = match.group(1) or match.group(2)
            rest = statement[match.end() :]
            if re.search(r"(&&|\|\|).*\bco_await\b.*\b%s\b" % re.escape(name), rest, re.S):
                yield await_at, "'%s' is stepped before && and awaited with: the callee sees its old value" % name


def aggregate_temporary(text):
    for begin, await_at, statement in statements_with_await(text):
        tail = statement[await_at - begin :]
        for match in re.finditer(r"[{,]\s*\.(\w+)\s*=", tail):
            if match.group(1) not in TRIVIAL:
                yield await_at, "an aggregate temporary ('.%s = ') in an awaiting expression; name it first" % match.group(1)


def ternary(text):
    for begin, await_at, statement in statements_with_await(text):
        if re.search(r"\?[^;:]*\bco_await\b[^;]*:|\?[^;]*[^:]:[^:][^;]*\bco_await\b", statement):
            yield await_at, "an await in a branch of ?:; use if"


def awaits_in_braces(text):
    for match in re.finditer(r"[\w>]\s*\{", text):
        opening = match.end() - 1
        end = closing(text, opening)
        if end is None:
            continue
        inside = text[opening + 1 : end]
        if ";" not in inside and len(re.findall(r"\bco_await\b", inside)) >= 2:
            yield match.start(), "two awaits in one braced list; name the results first"


def capturing_lambda(text):
    for begin, await_at, statement in statements_with_await(text):
        tail = statement[await_at - begin :]
        for match in re.finditer(r"(?<![\w\])])\s*\[([^\]\[]*)\]\s*[({]", tail):
            captures = [c.strip() for c in match.group(1).split(",") if c.strip()]
            if any(not c.startswith("&") and c != "this" for c in captures):
                yield await_at, "a lambda temporary that captures objects in an awaiting expression; name the lambda first"


RULES = [await_in_condition, step_and_await, aggregate_temporary, ternary, awaits_in_braces, capturing_lambda]

FOUND = {
    await_in_condition: [
        "if (co_await Ready()) Go();",
        "while (co_await conn.Writable()) Go();",
        "while (co_await tick.Next()) Go();",
        "switch (co_await Kind()) {}",
        "for (int i = 0; co_await More(i); ++i) Go();",
        "// if (co_await Sleep(Millis(50)) == Woken::kCancelled) co_return;",
        "if (x == 1 &&\n    co_await Ready()) Go();",
    ],
    step_and_await: ["const bool more = i++ < n && co_await F(i);", "bool ok = --left > 0 && co_await Take(pool, left);"],
    aggregate_temporary: [
        'co_await F({.name = "x"});',
        'auto r = co_await Load(pool, Query{.text = "a", .limit = 3});',
        "co_await conn.Read({.max_bytes = 3, .filter = {.name = x}});",
    ],
    ternary: ["auto r = c ? co_await A() : co_await B();", "auto r = c ? 1 : co_await B();", "Use(c ? co_await A() : none);"],
    awaits_in_braces: ["Pair p{co_await A(), co_await B()};", "return T{ co_await a, 1, co_await b };"],
    capturing_lambda: [
        "co_await Scoped([name](Scope& s) { Use(name); });",
        "co_await On(3, [=] { Use(x); });",
        "co_await On(3, [p = std::move(p), &q]() mutable { Use(p); });",
    ],
}
SAFE = [
    "while (auto line = co_await conn.ReadLine({.max_bytes = 8192})) conn.Write(*line);",
    "if (const bool ok = co_await x; ok) Go();",
    "Every tick(Seconds(1));\n  while (co_await tick.Next()) Go();",
    "if (auto r = co_await WithDeadline(t, Load(&pool, id)); r.ok()) Use(*r);",
    "for (auto& each : co_await All()) Use(each);",
    "for (auto data = co_await conn.Read(); data; data = Next()) Use(data);",
    "Use(co_await A(), co_await B());",
    "auto data = co_await conn.Read({.deadline = kSecond});",
    "const size_t n = i++; if (n < most) co_return;\nauto r = co_await F(n);",
    "auto scoped = [name](Scope& s) { Use(name); };\nco_await Scoped(scoped);",
    "co_await Scoped([&](Scope& s) { Use(s); });",
    "co_await Scoped([this, &q](Scope& s) { Use(s); });",
    "auto r = co_await tasks[next](1);",
    "service = [x](Connection& conn) -> Task<> { co_await conn.Read(); co_await conn.Read(); };",
    "case Kind::kA: got = co_await A(); break;\ncase Kind::kB: got = co_await B(); break;",
    'Log("if (co_await x) y"); auto r = co_await A();',
    "if (later) co_await Yield();",
]


def findings(text, rule):
    blanked = without_strings(text)
    return sorted(set(rule(blanked)))


def check_rules():
    wrong = []
    for rule in RULES:
        for sample in FOUND[rule]:
            if not findings(sample, rule):
                wrong.append("%s does not find: %s" % (rule.__name__, sample))
        for sample in SAFE:
            if findings(sample, rule):
                wrong.append("%s finds something in: %s" % (rule.__name__, sample))
    return wrong


def code_of(path):
    """The C++ of a file, at its own lines: of a document, what stands in its blocks of code."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if not path.endswith(".md"):
        return text
    out = []
    inside = False
    for line in text.split("\n"):
        if line.lstrip().startswith("```"):
            inside = not inside
            out.append("")
        else:
            out.append(line if inside else "")
    return "\n".join(out)


def tree():
    # The test is given a link to WORKSPACE, which lies at the root of the sources.
    root = os.path.dirname(os.path.realpath("WORKSPACE"))
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if not f.startswith(("bazel-", "."))]
        for name in files:
            if name.endswith((".h", ".cc", ".md")):
                yield os.path.join(folder, name)


def main(paths):
    wrong = check_rules()
    for line in wrong:
        print(line)
    files = paths or sorted(tree())
    awaits = 0
    for path in files:
        text = code_of(path)
        awaits += text.count("co_await")
        for rule in RULES:
            for at, what in findings(text, rule):
                wrong.append(what)
                print("%s:%d: %s" % (path, text.count("\n", 0, at) + 1, what))
    print("%d files, %d awaits, %d findings" % (len(files), awaits, len(wrong)))
    if awaits == 0:
        print("no await was seen at all: the tree was not found")
        return 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
