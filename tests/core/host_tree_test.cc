// SPDX-License-Identifier: Apache-2.0
#include "core/host_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/made_tree.h"

namespace mooring::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(HostTree, ReadsBelowItsRootWithoutTheBlanksAround) {
  MadeTree tree;
  tree.Write("/proc/sys/fs/nr_open", "1048576\n").Write("/proc/empty", "\n").Write("/proc/two", " a\tb \n");
  EXPECT_EQ(tree.host().Read("/proc/sys/fs/nr_open"), "1048576");
  EXPECT_EQ(tree.host().Read("/proc/empty"), "");
  EXPECT_EQ(tree.host().Read("/proc/two"), "a\tb");
  EXPECT_EQ(tree.host().Read("/proc/none"), std::nullopt);
  EXPECT_EQ(tree.host().Read("/proc/sys"), std::nullopt) << "a folder";
}

TEST(HostTree, ReadsANumberOrNothing) {
  MadeTree tree;
  tree.Write("/n", "12\n").Write("/max", "max\n").Write("/minus", "-1\n").Write("/two", "1 2\n");
  EXPECT_EQ(tree.host().ReadNumber("/n"), 12u);
  EXPECT_EQ(tree.host().ReadNumber("/max"), std::nullopt);
  EXPECT_EQ(tree.host().ReadNumber("/minus"), std::nullopt);
  EXPECT_EQ(tree.host().ReadNumber("/two"), std::nullopt);
  EXPECT_EQ(ParseNumber("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(ParseNumber("18446744073709551616"), std::nullopt);
}

TEST(HostTree, CutsAFileThatIsTooLong) {
  MadeTree tree;
  tree.Write("/long", std::string(1 << 20, 'x'));
  EXPECT_EQ(tree.host().Read("/long")->size(), 256u * 1024);
}

TEST(HostTree, ListsAFolderSorted) {
  MadeTree tree;
  tree.Write("/sys/b/x", "").Write("/sys/a", "");
  EXPECT_THAT(tree.host().List("/sys"), ElementsAre("a", "b"));
  EXPECT_THAT(tree.host().List("/none"), IsEmpty());
}

TEST(HostTree, WithoutARootIsThisMachine) {
  EXPECT_THAT(HostTree().Read("/proc/sys/kernel/ostype"), "Linux");
}

TEST(Words, AreBetweenBlanks) {
  EXPECT_THAT(Words(" 4096\t131072  33554432\n"), ElementsAre("4096", "131072", "33554432"));
  EXPECT_THAT(Words(" \n"), IsEmpty());
}

}  // namespace
}  // namespace mooring::core
