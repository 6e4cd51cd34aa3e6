"""What an installed Mooring is made of: one archive and one folder of headers.

static_archive merges the archives of everything behind `deps` into one, and writes down what a program must link
beside it. public_headers finds, by following #include from `root`, the headers that a program needs, and writes them
with includes that start with mooring/. library is both for users who build with Bazel.
"""

load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")

# Where the libraries of a C++ target are, in link order: those that need before those that are needed.
def _linker_inputs(deps):
    contexts = cc_common.merge_cc_infos(cc_infos = [dep[CcInfo] for dep in deps]).linking_context
    return contexts.linker_inputs.to_list()

def _static_archive_impl(ctx):
    archives = []
    flags = []
    for linked in _linker_inputs(ctx.attr.deps):
        for library in linked.libraries:
            archive = library.static_library or library.pic_static_library
            if not archive:
                fail("%s has no static archive" % linked.owner)
            archives.append(archive)
        flags.extend(linked.user_link_flags)

    out = ctx.outputs.archive
    script = ctx.actions.declare_file(out.basename + ".mri")
    lines = ["create " + out.path]
    lines += ["addlib " + archive.path for archive in archives]
    ctx.actions.write(script, "\n".join(lines + ["save", "end"]) + "\n")
    toolchain = find_cpp_toolchain(ctx)
    ctx.actions.run_shell(
        inputs = depset(archives + [script], transitive = [toolchain.all_files]),
        outputs = [out],
        arguments = [toolchain.ar_executable, script.path, out.path] + [archive.path for archive in archives],
        command = """
ar=$1 script=$2 out=$3
shift 3
"$ar" -M <"$script"
# Two files of one name (net/epoll/send.cc, net/uring/send.cc) are two members of one name: nothing may be lost.
wanted=$(for archive; do "$ar" t "$archive"; done | wc -l)
have=$("$ar" t "$out" | wc -l)
if [ "$wanted" -ne "$have" ]; then
  echo "$out has $have objects, its parts have $wanted" >&2
  exit 1
fi
""",
        mnemonic = "MergeArchives",
    )

    # What is needed twice is linked where it is needed last.
    last = {flag: place for place, flag in enumerate(flags)}
    kept = [flag for place, flag in enumerate(flags) if last[flag] == place]
    ctx.actions.write(ctx.outputs.link_flags, " ".join(kept) + "\n")
    return [DefaultInfo(files = depset([out, ctx.outputs.link_flags]))]

static_archive = rule(
    implementation = _static_archive_impl,
    attrs = {
        "deps": attr.label_list(mandatory = True, providers = [CcInfo]),
        "archive": attr.output(mandatory = True),
        "link_flags": attr.output(mandatory = True),
        "_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
    },
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
)

# "core/task.h" for it, also where Mooring is an external repository.
def _name_in_tree(file):
    return file.short_path.split("/", 2)[2] if file.short_path.startswith("../") else file.short_path

def _public_headers_impl(ctx):
    headers = depset(transitive = [dep[CcInfo].compilation_context.headers for dep in ctx.attr.deps]).to_list()
    out = ctx.actions.declare_directory(ctx.attr.name)
    arguments = ctx.actions.args()
    arguments.add(ctx.attr.root)
    arguments.add(out.path)
    for header in headers:
        arguments.add(_name_in_tree(header))
        arguments.add(header)
    ctx.actions.run(
        executable = ctx.executable._follow,
        inputs = headers,
        outputs = [out],
        arguments = [arguments],
        mnemonic = "PublicHeaders",
    )
    return [DefaultInfo(files = depset([out]))]

public_headers = rule(
    implementation = _public_headers_impl,
    attrs = {
        "root": attr.string(mandatory = True),
        "deps": attr.label_list(mandatory = True, providers = [CcInfo]),
        "_follow": attr.label(
            default = "//tools/package:follow_includes.py",
            allow_single_file = True,
            cfg = "exec",
            executable = True,
        ),
    },
)

def _library_impl(ctx):
    # A program sees the public headers and no others: not core/task.h, where it may have a core/ of its own.
    tree = ctx.files.headers
    compilation = cc_common.create_compilation_context(
        headers = depset(tree),
        system_includes = depset([file.path for file in tree]),
    )
    linking = cc_common.merge_cc_infos(cc_infos = [dep[CcInfo] for dep in ctx.attr.deps]).linking_context
    return [
        DefaultInfo(files = depset(tree)),
        CcInfo(compilation_context = compilation, linking_context = linking),
    ]

library = rule(
    implementation = _library_impl,
    attrs = {
        "headers": attr.label(mandatory = True),
        "deps": attr.label_list(mandatory = True, providers = [CcInfo]),
    },
)
