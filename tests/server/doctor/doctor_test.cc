// SPDX-License-Identifier: Apache-2.0
// The whole of it: a machine made of files and a kernel that refuses what the test says.
#include "server/doctor/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>

#include <nlohmann/json.hpp>

#include "tests/core/forwarding_kernel.h"
#include "tests/core/made_tree.h"

namespace mooring::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// No ring can be set up on it.
class Refusing : public core::ForwardingKernel {
 public:
  explicit Refusing(int error) : error_(error) {}
  int RingSetup(unsigned, io_uring_params*, io_uring*) override { return -error_; }

 private:
  const int error_;
};

class DoctorTest : public ::testing::Test {
 protected:
  DoctorTest() {
    program_.name = "mooringd";
    tree_.Write("/proc/sys/kernel/osrelease", "6.18.1\n");
    tree_.Write("/proc/self/limits",
                "Max open files            65536                65536                files     \n");
    tree_.Write("/proc/self/status", "Cpus_allowed_list:\t0-1\nCapEff:\t0000000000004400\n");
    tree_.Write("/proc/meminfo", "MemTotal:       16000000 kB\n");
    tree_.Write("/proc/sys/net/ipv4/ip_local_port_range", "16384\t65535\n");
    tree_.Write("/proc/sys/net/core/somaxconn", "4096\n");
  }

  int Run(const std::vector<std::string>& arguments) {
    char* text = nullptr;
    size_t size = 0;
    std::FILE* const out = open_memstream(&text, &size);
    testing::internal::CaptureStderr();
    const int code = Doctor(program_, settings_, arguments, out, {.host = tree_.host(), .kernel = kernel_});
    errors_ = testing::internal::GetCapturedStderr();
    std::fclose(out);
    output_ = std::string(text, size);
    std::free(text);
    return code;
  }

  Program program_;
  Settings settings_;
  core::MadeTree tree_;
  Refusing kernel_refuses_{EPERM};  // so that every kernel gives the same answers
  core::Kernel* kernel_ = &kernel_refuses_;
  std::string output_;
  std::string errors_;
};

TEST_F(DoctorTest, AWellMachineIsZero) {
  settings_.runtime.transport = net::TransportKind::kEpoll;
  EXPECT_EQ(Run({"--connections=60000"}), 0) << output_;
  EXPECT_THAT(output_, StartsWith("mooringd doctor: this machine for 60,000 connections\n"));
  for (const char* area :
       {"\nkernel\n", "\nlimits\n", "\nsysctls\n", "\nports\n", "\ncpu\n", "\nnetwork\n", "\nplan\n"}) {
    EXPECT_THAT(output_, HasSubstr(area));
  }
  EXPECT_THAT(errors_, IsEmpty());
}

TEST_F(DoctorTest, SomethingAgainstItIsOne) {
  settings_.runtime.transport = net::TransportKind::kEpoll;
  tree_.Write("/proc/sys/net/core/somaxconn", "128\n");
  EXPECT_EQ(Run({}), 1);
  EXPECT_THAT(output_, HasSubstr("sysctl -w net.core.somaxconn=4096"));
}

TEST_F(DoctorTest, WhatDoesNotFitIsThree) {
  settings_.runtime.transport = net::TransportKind::kEpoll;
  EXPECT_EQ(Run({"--connections", "70000"}), 3);
  EXPECT_THAT(output_, AllOf(HasSubstr("65,280 connections fit, and not 70,000"), HasSubstr("LimitNOFILE=74096")));
}

TEST_F(DoctorTest, AServerThatCannotStartIsThree) {
  settings_.runtime.transport = net::TransportKind::kUring;
  EXPECT_EQ(Run({}), 3);
  EXPECT_THAT(output_, AllOf(HasSubstr("problem  --transport=io_uring: "), Not(HasSubstr("\nplan\n"))));
  settings_.runtime = {.cpus = "5", .transport = net::TransportKind::kEpoll};
  EXPECT_EQ(Run({}), 3);
  EXPECT_THAT(output_, HasSubstr("CPU 5 is not allowed"));
}

TEST_F(DoctorTest, SaysWhyThereIsNoRing) {
  struct Case {
    int error;
    int code;
    const char* cause;
  };
  for (const Case& each : {Case{ENOSYS, 1, "no io_uring"}, Case{EPERM, 1, "io_uring is "}, Case{EINVAL, 1, "too old"},
                           Case{ENOMEM, 3, "locked memory"}, Case{EMFILE, 3, "no file descriptor"}}) {
    Refusing refusing(each.error);
    kernel_ = &refusing;
    EXPECT_EQ(Run({}), each.code) << each.cause;
    EXPECT_THAT(output_, HasSubstr(each.cause));
  }
}

TEST_F(DoctorTest, JudgesForWhatTheSettingsSay) {
  settings_.runtime = {.shards = 2, .transport = net::TransportKind::kEpoll, .max_connections = 1000};
  EXPECT_EQ(Run({}), 0) << output_;
  EXPECT_THAT(output_, AllOf(HasSubstr("for 1,000 connections"), HasSubstr("1,000 connections fit")));
  EXPECT_EQ(Run({"--connections=1001"}), 3);
  EXPECT_THAT(output_, HasSubstr("> --max-connections=1001"));
  settings_.runtime.max_connections = 70'000;
  EXPECT_EQ(Run({}), 3) << "the settings ask for it as well as an argument does";

  settings_.runtime = {.shards = 3, .transport = net::TransportKind::kEpoll, .memory_ceiling_bytes = 16 << 20};
  EXPECT_EQ(Run({}), 1) << output_;
  EXPECT_THAT(output_, AllOf(HasSubstr("3 shards on CPU 0-1"), HasSubstr("--memory-ceiling of 16.0 MB")));
  EXPECT_EQ(Run({"--connections=10000"}), 3) << output_;

  settings_.runtime = {.transport = net::TransportKind::kEpoll};
  const Service service = {.name = "line"};
  const auto endpoint = net::Endpoint::Parse("127.0.0.1:17000");
  ASSERT_TRUE(endpoint.ok());
  settings_.listeners = {{.name = "chat", .service = &service, .endpoint = *endpoint}};
  EXPECT_EQ(Run({}), 1);
  EXPECT_THAT(output_, AllOf(HasSubstr("17000 (chat)"), HasSubstr("(200 B each)")));
  settings_.admin.listen = *net::Endpoint::Parse("127.0.0.1:17001");
  settings_.admin.metrics_listen = *net::Endpoint::Parse("127.0.0.1:17002");
  EXPECT_EQ(Run({}), 1);
  EXPECT_THAT(output_, AllOf(HasSubstr("17000 (chat), 17001 (admin), 17002 (metrics)"), HasSubstr("(200 B each)")));
}

TEST_F(DoctorTest, JsonIsOneObject) {
  settings_.runtime.transport = net::TransportKind::kEpoll;
  EXPECT_EQ(Run({"--json", "--connections=70000"}), 3);
  const nlohmann::json json = nlohmann::json::parse(output_, nullptr, false);
  ASSERT_TRUE(json.is_object()) << output_;
  EXPECT_EQ(json["exit_code"], 3);
  EXPECT_EQ(json["shards"], 2);
  EXPECT_EQ(json["plan"]["limited_by"], "descriptors");
}

TEST_F(DoctorTest, WrongArgumentsAreTwoAndNamed) {
  for (const auto& [arguments, named] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"--connections=0"}, "--connections=0:"},
           {{"--connections"}, "--connections=:"},
           {{"--connections=1e6"}, "--connections=1e6:"},
           {{"--connections=4294967297"}, "--connections=4294967297:"},
           {{"--connection=5"}, "'--connection=5'"},
           {{"--json", "now"}, "'now'"},
       }) {
    EXPECT_EQ(Run(arguments), 2) << named;
    EXPECT_THAT(errors_, HasSubstr("mooringd: " + named));
    EXPECT_THAT(output_, IsEmpty());
  }
}

TEST_F(DoctorTest, HelpExplainsTheExitCodes) {
  EXPECT_EQ(Run({"--help"}), 0);
  EXPECT_THAT(output_, AllOf(HasSubstr("Usage: mooringd"), HasSubstr("--connections=N"), HasSubstr("Exit codes: 0 ")));
}

// Whatever this machine is: it can be looked at.
TEST_F(DoctorTest, LooksAtThisMachine) {
  char* text = nullptr;
  size_t size = 0;
  std::FILE* const out = open_memstream(&text, &size);
  const int code = Doctor(program_, settings_, {"--json"}, out);
  std::fclose(out);
  const nlohmann::json json = nlohmann::json::parse(text, text + size, nullptr, false);
  std::free(text);
  EXPECT_TRUE(code == 0 || code == 1 || code == 3) << code;
  EXPECT_EQ(json["exit_code"], code);
  EXPECT_GT(json["findings"].size(), 20u);
}

}  // namespace
}  // namespace mooring::server
