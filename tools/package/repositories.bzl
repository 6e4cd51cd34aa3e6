"""What a WORKSPACE needs beside Mooring itself: docs/BUILDING.md, "Using the library"."""

def mooring_repositories():
    """Debian's libraries, as @system."""
    if not native.existing_rule("system"):
        native.new_local_repository(
            name = "system",
            build_file = "@mooring//third_party:system.BUILD",
            path = "/usr",
        )

def _folder_of_impl(ctx):
    for entry in ctx.path(ctx.attr.file).dirname.readdir():
        ctx.symlink(entry, entry.basename)

_folder_of = repository_rule(
    implementation = _folder_of_impl,
    attrs = {"file": attr.label(mandatory = True)},
)

def debian_bazel_repositories():
    """What Debian's Bazel 4.2.3 would download: with these it needs no network."""
    if not native.existing_rule("rules_cc"):
        _folder_of(name = "rules_cc", file = "@mooring//third_party/bazel/rules_cc:WORKSPACE")
    if not native.existing_rule("remote_coverage_tools"):
        _folder_of(name = "remote_coverage_tools", file = "@mooring//third_party/bazel/coverage_tools:WORKSPACE")
    if not native.existing_rule("rules_java"):
        native.local_repository(name = "rules_java", path = "/usr/share/bazel/rules/java")
    if not native.existing_rule("platforms"):
        native.local_repository(name = "platforms", path = "/usr/share/bazel/platforms")
