#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# tools/tune-host: on a tree that the test makes, and, where there is root, on the kernel's own net.* settings in a network
# namespace.
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tree

TOOL = os.path.abspath("tools/tune-host")
TABLE = os.path.abspath("tools/sysctls")

# A machine with 16 GB on which little has been set, and some of it badly.
SETTINGS = {
    "net.core.somaxconn": "4096",
    "net.core.netdev_max_backlog": "1000",
    "net.ipv4.tcp_max_syn_backlog": "2048",
    "net.ipv4.tcp_fin_timeout": "60",
    "net.ipv4.tcp_tw_reuse": "2",
    "net.ipv4.tcp_migrate_req": "0",
    "net.ipv4.tcp_max_orphans": "65536",
    "net.ipv4.tcp_rmem": "4096\t131072\t134217728",
    "net.ipv4.tcp_wmem": "4096\t16384\t4194304",
    "net.ipv4.tcp_mem": "10000\t20000\t30000",
    "net.ipv4.ip_local_port_range": "1024\t60999",
    "net.ipv4.ip_local_reserved_ports": "",
    "fs.file-max": "9223372036854775807",
    "fs.nr_open": "1048576",
}
LISTENERS = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:9C40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:9C41 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
"""
LISTENERS6 = """  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:C350 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 1
"""


def file_of(key):
    return "proc/sys/" + key.replace(".", "/")


def in_table(key):
    """What the table says of it, where that is a number."""
    with open(TABLE, encoding="utf-8") as file:
        (row,) = [line for line in file if line.startswith(key + "|")]
    return row.split("|")[2]


RMEM = in_table("net.ipv4.tcp_rmem:3")


class Machine(tree.Tree):
    def __init__(self, settings=None):
        super().__init__()
        for key, value in (SETTINGS if settings is None else settings).items():
            self.write(file_of(key), value + "\n")
        self.write("proc/meminfo", "MemTotal:       16777216 kB\nMemFree: 1 kB\n")
        self.write("proc/self/limits", "Limit  Soft Limit  Hard Limit  Units\n"
                   "Max open files            1024                 20000                files\n")
        self.write("proc/net/tcp", LISTENERS)
        self.write("proc/net/tcp6", LISTENERS6)

    def tune(self, *arguments, status=0):
        return tree.run(TOOL, "--root=" + self.root, *arguments, status=status)

    def value(self, key):
        return self.read(file_of(key)).rstrip("\n")

    def refuse(self, key):
        """As a read-only /proc/sys: it can be read, and not even root can write it. Its value is 65536."""
        os.remove(self.path(file_of(key)))
        os.symlink("/proc/sys/kernel/ngroups_max", self.path(file_of(key)))


class TuneHost(unittest.TestCase):
    def machine(self, settings=None):
        machine = Machine(settings)
        self.addCleanup(machine.close)
        return machine

    def test_check_changes_nothing_and_says_why(self):
        machine = self.machine()
        before = machine.all()
        said = machine.tune("--connections=100000", status=1)
        self.assertEqual(machine.all(), before)
        self.assertEqual(said, machine.tune("--check", status=1), "it is the default, and 100000 is")
        self.assertEqual(tree.line_of(said, "somaxconn"), "ok       net.core.somaxconn = 4096")
        backlog = tree.line_of(said, "netdev_max_backlog")
        self.assertTrue(backlog.startswith("note     net.core.netdev_max_backlog = 1000, better 8192: packets"), backlog)
        self.assertIn("better 4096 131072 %s: 128 MB, as often advised" % RMEM, tree.line_of(said, "tcp_rmem"))
        ports = tree.line_of(said, "ip_local_port_range")
        self.assertTrue(ports.startswith("warning  net.ipv4.ip_local_port_range = 1024 60999, better 10000 65535"), ports)
        self.assertIn("ports of your listeners", ports)
        # The weight of a row whose reason does not hold here does not count.
        self.assertIn("not in this kernel", tree.line_of(said, "nf_conntrack_max"))
        self.assertIn("LimitNOFILE=104096", tree.line_of(said, "nofile = 20000"))

    def test_notes_alone_are_no_failure(self):
        machine = self.machine({"net.ipv4.tcp_fin_timeout": "60", "fs.file-max": "18446744073709551615"})
        machine.write("proc/self/limits", "Max open files            unlimited            unlimited            files\n")
        said = machine.tune("--check")
        self.assertTrue(tree.line_of(said, "tcp_fin_timeout").startswith("note "))
        self.assertTrue(tree.line_of(said, "file-max =").startswith("ok "), "more than a shell can count with")

    def test_values_grow_with_the_connections(self):
        machine = self.machine()
        small = machine.tune("--connections=1000", status=1)
        self.assertTrue(tree.line_of(small, "tcp_max_orphans").startswith("ok "))
        large = machine.tune("--connections=2000000", status=1)
        self.assertIn("better 2000000", tree.line_of(large, "tcp_max_orphans"))
        self.assertIn("better 2065536", tree.line_of(large, "nr_open"))
        # A fifth and a quarter of 16 GB, in pages, bound it.
        self.assertIn("better 10000 500000 1000000", tree.line_of(large, "tcp_mem ="))
        self.assertIn("better 10000 838860 1048576",
                      tree.line_of(machine.tune("--connections=9000000", status=1), "tcp_mem ="))
        self.assertTrue(tree.line_of(large, "file-max").startswith("ok "), "as large as a number can be")

    def test_listeners_among_the_outbound_ports_are_named(self):
        machine = self.machine()
        note = tree.line_of(machine.tune(status=1), "--reserve=")
        self.assertIn("--reserve=40000,50000 ", note)
        machine.write(file_of("net.ipv4.ip_local_reserved_ports"), "8080,39990-40010\n")
        self.assertIn("--reserve=50000 ", tree.line_of(machine.tune(status=1), "--reserve="))
        machine.tune("--apply", "--reserve=40000,50000-50001")
        self.assertEqual(machine.value("net.ipv4.ip_local_reserved_ports"), "8080,39990-40010,50000-50001")
        self.assertNotIn("--reserve=", machine.tune("--check", status=1))

    def test_apply_and_revert_bring_back_every_byte(self):
        machine = self.machine()
        before = machine.all()
        said = machine.tune("--apply", "--reserve=40000")
        self.assertIn("was 1024 60999", tree.line_of(said, "ip_local_port_range"))
        self.assertEqual(machine.value("net.ipv4.ip_local_port_range"), "10000\t65535")
        self.assertEqual(machine.value("net.ipv4.tcp_rmem"), "4096\t131072\t" + RMEM)
        self.assertEqual(machine.value("net.ipv4.tcp_wmem"), SETTINGS["net.ipv4.tcp_wmem"])
        self.assertEqual(machine.value("net.ipv4.ip_local_reserved_ports"), "40000")
        self.assertNotIn("fs.nr_open", machine.read("var/lib/mooring/tune-host.was"), "what was right is left alone")
        machine.tune("--check", status=1)  # the limit of open files is not theirs
        self.assertNotIn("better", machine.tune("--apply"))
        machine.tune("--revert")
        self.assertEqual(machine.all(), before)
        self.assertFalse(machine.exists("var/lib/mooring"))
        self.assertIn("0 settings", machine.tune("--revert"), "a second time there is nothing to do")
        self.assertEqual(machine.all(), before)

    def test_a_second_apply_keeps_what_was_first(self):
        machine = self.machine()
        before = machine.all()
        machine.tune("--apply", "--connections=100000")
        machine.tune("--apply", "--connections=2000000")
        self.assertEqual(machine.value("net.ipv4.tcp_max_orphans"), "2000000")
        was = machine.read("var/lib/mooring/tune-host.was").splitlines()
        self.assertIn("net.ipv4.tcp_max_orphans=65536", was)
        self.assertEqual(len(was), len(set(line.split("=")[0] for line in was)))
        machine.tune("--revert")
        self.assertEqual(machine.all(), before)

    def test_persist_writes_what_revert_removes(self):
        machine = self.machine()
        before = machine.all()
        machine.tune("--apply")
        said = machine.tune("--persist", "--user=web")
        lines = machine.read("etc/sysctl.d/90-mooring.conf").splitlines()
        self.assertIn("net.ipv4.tcp_rmem = 4096 131072 " + RMEM, lines, "changed before, and permanent now")
        self.assertIn("net.ipv4.tcp_fin_timeout = 30", lines)
        self.assertFalse([line for line in lines if "somaxconn" in line], "what was right is left alone")
        limits = machine.read("etc/security/limits.d/90-mooring.conf").splitlines()
        self.assertEqual(limits[1:], ["web - nofile 104096", "web - memlock 65536"])
        self.assertIn("LimitNOFILE=104096", tree.line_of(said, "^hint"))
        machine.tune("--revert")
        self.assertEqual(machine.all(), before)

    def test_a_limit_above_nr_open_would_lock_people_out(self):
        machine = self.machine()
        machine.refuse("fs.nr_open")  # 65536
        said = machine.tune("--persist", status=1)
        self.assertIn("nofile of mooringd: fs.nr_open allows 65536", said)
        self.assertIn("mooringd - nofile 65536\n", machine.read("etc/security/limits.d/90-mooring.conf"))

    def test_files_of_others_are_left_alone(self):
        machine = self.machine()
        for name in ["etc/sysctl.d/90-mooring.conf", "etc/security/limits.d/90-mooring.conf"]:
            machine.write(name, "# mine\n")
        before = machine.all()
        said = machine.tune("--persist", status=1)
        self.assertEqual(said.count("somebody else wrote it"), 2)
        machine.tune("--revert")
        self.assertEqual(machine.all(), before)

    def test_what_cannot_be_written_is_said_and_the_rest_goes_on(self):
        machine = self.machine()
        machine.refuse("net.ipv4.tcp_fin_timeout")
        said = machine.tune("--apply", status=1)
        self.assertIn("net.ipv4.tcp_fin_timeout = 65536, not 30: Permission denied", tree.line_of(said, "^failed"))
        self.assertIn("1 failed", said)
        self.assertEqual(machine.value("net.ipv4.tcp_tw_reuse"), "1", "which comes after it")

    def test_what_cannot_be_brought_back_is_said_and_kept_for_another_try(self):
        machine = self.machine()
        before = machine.all()
        machine.tune("--apply")
        machine.refuse("net.ipv4.tcp_fin_timeout")
        said = machine.tune("--revert", status=1)
        self.assertIn("it stays 65536, not 60: Permission denied", tree.line_of(said, "^failed"))
        self.assertEqual(machine.value("net.ipv4.tcp_tw_reuse"), "2")
        self.assertEqual(machine.read("var/lib/mooring/tune-host.was"), "net.ipv4.tcp_fin_timeout=60\n")
        os.remove(machine.path(file_of("net.ipv4.tcp_fin_timeout")))
        machine.write(file_of("net.ipv4.tcp_fin_timeout"), "30\n")
        machine.tune("--revert")
        self.assertEqual(machine.all(), before)

    def test_what_cannot_be_remembered_is_not_changed(self):
        machine = self.machine()
        machine.write("var/lib/mooring", "a file where its folder belongs\n")
        before = machine.all()
        self.assertIn("cannot write", machine.tune("--apply", status=1))
        self.assertEqual(machine.all(), before)

    def test_a_setting_that_is_gone_is_no_failure(self):
        machine = self.machine({**SETTINGS, "net.netfilter.nf_conntrack_max": "1000"})
        machine.tune("--persist")
        self.assertIn("\n-net.netfilter.nf_conntrack_max = 190536\n", machine.read("etc/sysctl.d/90-mooring.conf"))
        os.remove(machine.path(file_of("net.netfilter.nf_conntrack_max")))
        self.assertIn("its module is gone", machine.tune("--revert"))
        self.assertFalse(machine.exists("var/lib/mooring"))

    def test_wrong_arguments_change_nothing(self):
        machine = self.machine()
        before = machine.all()
        for wrong in ["--aply", "--connections=0", "--connections=1e6", "--connections=1000000000", "--reserve=http",
                      "--reserve=80,", "--user=a b", "--user="]:
            self.assertIn(wrong.split("=")[0], machine.tune("--apply", wrong, status=2))
        machine.tune("--apply", "--revert", status=2)
        self.assertEqual(machine.all(), before)
        self.assertIn("--persist", machine.tune("--help"))

    def test_every_row_of_the_table_is_read(self):
        with open(TABLE, encoding="utf-8") as file:
            keys = [line.split("|")[0] for line in file if line.strip() and not line.startswith("#")]
        keys = {key.split(":")[0] for key in keys if not key.startswith("limit.")}
        self.assertGreater(len(keys), 15)
        said = self.machine({key: "5\t5\t5" for key in keys}).tune(status=1)
        for key in sorted(keys):
            self.assertTrue(tree.line_of(said, r" %s = " % key.replace(".", r"\.")))


# In namespaces of its own: what the kernel has of net.* there, under the names of the machine, and nothing else of it.
INSIDE = """
set -e
root=$1
mkdir -p "$root/proc/sys/net"
mount --bind /proc/sys/net "$root/proc/sys/net"
ln -sfn /proc/self/net "$root/proc/net"
"""


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("unshare"), "needs root and unshare(1)")
class TuneHostOnTheKernel(unittest.TestCase):
    def setUp(self):
        self.machine = Machine({"fs.file-max": "50000", "fs.nr_open": "1048576"})
        self.addCleanup(self.machine.close)
        shutil.rmtree(self.machine.path("proc/net"))
        self.before = self.machine.all()

    def inside(self, script):
        shell = ["unshare", "--net", "--mount", "bash", "-c", INSIDE + script, "bash", self.machine.root, TOOL]
        done = subprocess.run(shell, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if "unshare failed" in done.stdout:
            self.skipTest("no namespaces to be had: " + done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_apply_and_revert(self):
        said = self.inside("""
            dump() { (cd /proc/sys/net && grep -r . core/somaxconn ipv4/tcp_* ipv4/ip_local_* 2>/dev/null | sort); }
            echo 128 >/proc/sys/net/core/somaxconn
            echo 1024 60999 >/proc/sys/net/ipv4/ip_local_port_range
            dump >"$root/before"
            "$2" --root="$root" --apply --reserve=40000 && "$2" --root="$root" --apply
            dump >"$root/after"
            "$2" --root="$root" --revert
            dump >"$root/reverted"
            """)
        self.assertIn("set      net.core.somaxconn = 4096, was 128", said)
        self.assertIn("set      net.ipv4.ip_local_reserved_ports = 40000, was none", said)
        after = self.machine.read("after")
        for line in ["core/somaxconn:4096\n", "ipv4/tcp_fin_timeout:30\n", "ipv4/tcp_tw_reuse:1\n",
                     "ipv4/ip_local_port_range:10000\t65535\n", "ipv4/ip_local_reserved_ports:40000\n"]:
            self.assertIn(line, after)
        self.assertEqual(self.machine.read("reverted"), self.machine.read("before"))
        self.assertIn("tcp_rmem", self.machine.read("before"))

    def test_a_container_has_a_read_only_proc_sys(self):
        said = self.inside("""
            mount -o remount,bind,ro "$root/proc/sys/net"
            "$2" --root="$root" --apply && exit 9
            "$2" --root="$root" --revert
            """)
        self.assertIn("net.ipv4.tcp_fin_timeout = 60, not 30: Read-only file system", said)
        self.assertIn("set      fs.file-max = 165536, was 50000", said)
        self.assertEqual(self.machine.read("proc/sys/fs/file-max"), "50000\n")


if __name__ == "__main__":
    unittest.main(verbosity=2)
