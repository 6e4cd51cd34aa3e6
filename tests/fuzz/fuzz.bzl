"""fuzz_target: one LLVMFuzzerTestOneInput, as a test over its corpus in any build and as a fuzzer in --config=fuzz."""

def fuzz_target(name, srcs, deps):
    """Defines :NAME_corpus_test, an ordinary test, and :NAME_fuzz, which tools/fuzz builds and runs.

    Args:
      name: of the target and of its folder under corpus/
      srcs: with LLVMFuzzerTestOneInput
      deps: of srcs
    """
    native.cc_library(
        name = name + "_target",
        testonly = True,
        srcs = srcs,
        alwayslink = True,
        deps = deps + [":fuzz"],
    )
    native.cc_test(
        name = name + "_corpus_test",
        size = "medium",
        srcs = ["corpus_test.cc"],
        data = native.glob(["corpus/" + name + "/*"]),
        local_defines = ["MOORING_CORPUS=\\\"" + name + "\\\""],
        deps = [
            ":fuzz",
            ":" + name + "_target",
            "@system//:gtest_main",
        ],
    )
    native.cc_binary(
        name = name + "_fuzz",
        testonly = True,
        linkopts = ["-fsanitize=fuzzer"],
        tags = ["manual"],
        deps = [":" + name + "_target"],
    )
