#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# tools/affinity: on machines that the test makes of files.
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tree

TOOL = os.path.abspath("tools/affinity")
PCI = "sys/devices/pci0000:00/0000:00:03.0"


class Machine(tree.Tree):
    """`interrupts`: their names, from 30 on; `ours`: how many of them, from the first, the network card's device has."""

    def __init__(self, cpus, rx, tx, interrupts, ours, msi="", device="eth0", everything="f"):
        super().__init__()
        self.device = device
        self.mask = everything
        self.write("sys/devices/system/cpu/online", "0-%d\n" % (cpus - 1) if cpus > 1 else "0\n")
        self.write("proc/sys/net/core/rps_sock_flow_entries", "0\n")
        lines = ["            CPU0       CPU1"]
        for irq, name in enumerate(["timer", "i8042"] + interrupts):
            irq = irq if irq < 2 else irq + 28
            self.write("proc/irq/%d/smp_affinity_list" % irq, "0-%d\n" % (cpus - 1))
            lines.append("%4d:       1234          0  PCI-MSI 1-edge      %s" % (irq, name))
            if 30 <= irq < 30 + ours and msi is not None:
                self.write("%s/msi_irqs/%d" % (PCI + msi, irq), "msix\n")
        lines.append(" NMI:          0          0   Non-maskable interrupts")
        self.write("proc/interrupts", "\n".join(lines) + "\n")
        self.write("proc/irq/default_smp_affinity", everything + "\n")
        self.write("sys/devices/virtual/workqueue/cpumask", everything + "\n")
        self.write("proc/1/comm", "systemd\n")
        folder = "sys/class/net/" + device
        for queue in range(rx):
            self.write("%s/queues/rx-%d/rps_cpus" % (folder, queue), "0\n")
            self.write("%s/queues/rx-%d/rps_flow_cnt" % (folder, queue), "0\n")
        for queue in range(tx):
            os.makedirs(self.path("%s/queues/tx-%d" % (folder, queue)))
            if tx > 1:
                self.write("%s/queues/tx-%d/xps_cpus" % (folder, queue), "0\n")
        self.write("sys/class/net/lo/queues/rx-0/rps_cpus", "0\n")
        os.makedirs(self.path(PCI + "/virtio1"))
        os.symlink("../../../../" + PCI + ("/virtio1" if msi == "" and "virtio1-config" in interrupts else ""),
                   self.path(folder + "/device"))

    def affinity(self, *arguments, status=0):
        return tree.run(TOOL, "--root=" + self.root, *arguments, status=status)

    def irq(self, number):
        return self.read("proc/irq/%d/smp_affinity_list" % number).strip()

    def queue(self, name):
        return self.read("sys/class/net/%s/queues/%s" % (self.device, name)).strip()


def intel(queues):
    return ["eth0-TxRx-%d" % queue for queue in range(queues)] + ["eth0", "nvme0q1"]


class Affinity(unittest.TestCase):
    def machine(self, *arguments, **options):
        machine = Machine(*arguments, **options)
        self.addCleanup(machine.close)
        return machine

    def test_as_many_queues_as_cpus(self):
        machine = self.machine(8, 4, 4, intel(4), 5, everything="ff")
        said = machine.affinity("--cpus=4-7")
        self.assertEqual([machine.irq(30 + queue) for queue in range(4)], ["4", "5", "6", "7"])
        self.assertEqual([machine.queue("rx-%d/rps_cpus" % queue) for queue in range(4)], ["0"] * 4)
        self.assertEqual([machine.queue("tx-%d/xps_cpus" % queue) for queue in range(4)],
                         ["00000010", "00000020", "00000040", "00000080"])
        # The card's own interrupt that is of no queue, the disk's, what comes later, and the kernel's workers.
        for irq in [34, 35, 0, 1]:
            self.assertEqual(machine.irq(irq), "0,1,2,3", irq)
        self.assertEqual(machine.read("proc/irq/default_smp_affinity").strip(), "0000000f")
        self.assertEqual(machine.read("sys/devices/virtual/workqueue/cpumask").strip(), "0000000f")
        self.assertIn("eth0-TxRx-2 to the CPU of shard 2", tree.line_of(said, "/irq/32/"))
        self.assertNotIn("missing", said)

    def test_fewer_queues_than_cpus_are_shared_out_by_software(self):
        machine = self.machine(8, 2, 2, intel(2), 3, everything="ff")
        machine.affinity("--cpus=3,4-6,7")
        self.assertEqual([machine.irq(30), machine.irq(31)], ["3", "4"])
        # CPUs 3, 5 and 7; 4 and 6.
        self.assertEqual([machine.queue("rx-%d/rps_cpus" % queue) for queue in range(2)], ["000000a8", "00000050"])
        self.assertEqual([machine.queue("tx-%d/xps_cpus" % queue) for queue in range(2)], ["000000a8", "00000050"])

    def test_more_queues_than_cpus_go_round(self):
        machine = self.machine(4, 5, 5, intel(5), 6)
        machine.affinity("--cpus=2-3")
        self.assertEqual([machine.irq(30 + queue) for queue in range(5)], ["2", "3", "2", "3", "2"])
        self.assertEqual([machine.queue("rx-%d/rps_cpus" % queue) for queue in range(5)], ["0"] * 5)
        self.assertEqual([machine.queue("tx-%d/xps_cpus" % queue) for queue in range(5)],
                         ["00000004", "00000008"] * 2 + ["00000004"])

    def test_masks_of_more_than_32_cpus_have_commas(self):
        everything = "0000ffff,ffffffff,ffffffff"
        machine = self.machine(80, 1, 3, ["eth0"], 1, everything=everything)
        machine.write("sys/class/net/eth0/queues/rx-0/rps_cpus", "0000,00000000,00000000\n")
        machine.affinity("--cpus=31-32,64,79")
        self.assertEqual(machine.queue("rx-0/rps_cpus"), "00008001,00000001,80000000")
        self.assertEqual(machine.queue("tx-0/xps_cpus"), "00008000,00000000,80000000", "of CPUs 31 and 79")
        self.assertEqual(machine.queue("tx-1/xps_cpus"), "00000001,00000000")
        self.assertEqual(machine.read("proc/irq/default_smp_affinity").strip(), "00007ffe,fffffffe,7fffffff")
        self.assertEqual(machine.irq(30), "31", "a card with one interrupt")

    def test_a_virtio_card_has_its_interrupts_at_its_parent(self):
        machine = self.machine(4, 2, 2, ["virtio1-config", "virtio1-input.0", "virtio1-output.0", "virtio1-input.1",
                                         "virtio1-output.1", "virtio10-input.0"], 5)
        machine.affinity("--cpus=2,3")
        self.assertEqual([machine.irq(31 + i) for i in range(4)], ["2", "2", "3", "3"])
        self.assertEqual([machine.irq(30), machine.irq(35)], ["0,1", "0,1"], "its configuration, and another card")

    def test_a_card_with_one_queue_has_other_interrupts_too(self):
        machine = self.machine(4, 1, 1, ["eth0", "eth0-misc"], 2)
        machine.affinity("--cpus=2,3")
        self.assertEqual([machine.irq(30), machine.irq(31)], ["2", "0,1"])

    def test_a_mask_that_is_written_otherwise_is_left_alone(self):
        machine = self.machine(40, 1, 1, ["eth0"], 1, everything="ff,ffffffff")
        machine.write("sys/class/net/eth0/queues/rx-0/rps_cpus", "00,0000000c\n")
        self.assertNotIn("rps_cpus", machine.affinity("--cpus=2,3"))

    def test_names_of_other_cards(self):
        machine = self.machine(4, 2, 2, ["mlx5_async0@pci:0000:03:00.0", "mlx5_comp0@pci:0000:03:00.0",
                                         "mlx5_comp1@pci:0000:03:00.0", "ena-mgmnt@pci:0000:00:05.0"], 4)
        machine.affinity("--cpus=2,3")
        self.assertEqual([machine.irq(30 + i) for i in range(4)], ["0,1", "2", "3", "0,1"])

    def test_without_msi_interrupts_are_found_by_name(self):
        machine = self.machine(4, 2, 2, ["eth0-rx-0", "eth0-rx-1", "eth0-tx-0", "eth0-tx-1", "ahci"], 4, msi=None)
        machine.affinity("--cpus=0-1")
        self.assertEqual([machine.irq(30 + i) for i in range(5)], ["0", "1", "0", "1", "2,3"])

    def test_rfs_only_when_it_is_asked_for(self):
        machine = self.machine(4, 2, 2, intel(2), 3)
        machine.affinity("--cpus=2,3", "--rfs=32768")
        self.assertEqual(machine.read("proc/sys/net/core/rps_sock_flow_entries"), "32768\n")
        self.assertEqual([machine.queue("rx-%d/rps_flow_cnt" % queue) for queue in range(2)], ["16384"] * 2)
        machine.affinity("--cpus=2,3")
        self.assertEqual(machine.read("proc/sys/net/core/rps_sock_flow_entries"), "0\n")
        self.assertEqual(machine.queue("rx-1/rps_flow_cnt"), "0")

    def test_what_is_missing_is_said_and_no_failure(self):
        machine = self.machine(4, 1, 1, [], 0)
        said = machine.affinity("--cpus=1-3")
        self.assertIn("XPS is for more than one", tree.line_of(said, "xps_cpus"))
        self.assertIn("eth0 has no interrupts", said)
        self.assertEqual(machine.queue("rx-0/rps_cpus"), "0000000e")
        for name in ["proc/interrupts", "proc/irq/default_smp_affinity", "sys/devices/virtual/workqueue/cpumask",
                     "proc/sys/net/core/rps_sock_flow_entries", "sys/class/net/eth0/queues/rx-0/rps_cpus"]:
            os.remove(machine.path(name))
            said = machine.affinity("--cpus=1-3")
            self.assertTrue(tree.line_of(said, "missing  " + name), name)
        os.remove(machine.path("sys/class/net/eth0/device"))
        self.assertIn("no network card", machine.affinity("--cpus=1-3"))
        self.assertIn("eth0 has no device behind it", machine.affinity("--cpus=1-3", "--dev=eth0"))

    def test_all_cpus_leave_none_for_the_house(self):
        machine = self.machine(4, 4, 4, intel(4), 5)
        said = machine.affinity()
        self.assertIn("all CPUs are the shards'", said)
        self.assertEqual(machine.irq(35), "0-3")
        self.assertEqual(machine.irq(33), "3")
        self.assertEqual(machine.read("proc/irq/default_smp_affinity"), "f\n")

    def test_irqbalance_and_distance_are_said(self):
        machine = self.machine(4, 2, 2, intel(2), 3)
        machine.write("proc/812/comm", "irqbalance\n")
        machine.write(PCI + "/numa_node", "1\n")
        machine.write("sys/devices/system/node/node1/cpulist", "2-3\n")
        said = machine.affinity("--cpus=1-2", "--dry-run")
        self.assertIn("pid 812", tree.line_of(said, "irqbalance"))
        self.assertIn("node 1, and CPUs 1 are not", tree.line_of(said, "NUMA"))
        self.assertNotIn("NUMA", machine.affinity("--cpus=2-3", "--dry-run"))

    def test_a_dry_run_changes_nothing_and_says_the_same(self):
        machine = self.machine(8, 2, 2, intel(2), 3, everything="ff")
        before = machine.all()
        would = machine.affinity("--cpus=4-7", "--dry-run")
        self.assertEqual(machine.all(), before)
        did = machine.affinity("--cpus=4-7")
        changes = [line.split()[1] for line in did.splitlines() if line.startswith("set ")]
        self.assertGreater(len(changes), 8)
        self.assertEqual([line.split()[1] for line in would.splitlines() if line.startswith("would ")], changes)
        self.assertIn(": 0 settings changed", machine.affinity("--cpus=4-7"), "a second time there is nothing to do")

    def test_revert_brings_back_every_byte(self):
        machine = self.machine(40, 2, 2, intel(2), 3, everything="ff,ffffffff")
        machine.write("sys/class/net/eth0/queues/rx-1/rps_cpus", "00,00000f00\n")
        before = machine.all()
        machine.affinity("--cpus=30-33", "--rfs=1000")
        machine.affinity("--cpus=2-3")
        self.assertNotEqual(machine.all(), before)
        machine.affinity("--revert")
        self.assertEqual(machine.all(), before)
        self.assertIn("0 settings", machine.affinity("--revert"))

    def refuse(self, machine, name):
        """It can be read, and not even root can write it. Its value is 65536."""
        os.remove(machine.path(name))
        os.symlink("/proc/sys/kernel/ngroups_max", machine.path(name))

    def test_what_cannot_be_written_is_said_and_the_rest_goes_on(self):
        machine = self.machine(4, 2, 2, intel(2), 3)
        self.refuse(machine, "sys/class/net/eth0/queues/rx-0/rps_cpus")
        said = machine.affinity("--cpus=2-3", status=1)
        self.assertIn("rx-0/rps_cpus, not 00000000: Permission denied", tree.line_of(said, "^failed"))
        self.assertEqual(machine.queue("tx-1/xps_cpus"), "00000008", "which comes after it")

    def test_other_interrupts_that_stay_are_no_failure(self):
        machine = self.machine(4, 2, 2, intel(2), 3)
        self.refuse(machine, "proc/irq/33/smp_affinity_list")
        machine.write("proc/irq/33/unused", "")
        said = machine.affinity("--cpus=2-3")
        self.assertTrue(tree.line_of(said, "keeps where they are").endswith(": 33"))

    def test_what_cannot_be_brought_back_is_kept_for_another_try(self):
        machine = self.machine(4, 2, 2, intel(2), 3)
        before = machine.all()
        machine.affinity("--cpus=2-3")
        name = "sys/class/net/eth0/queues/tx-1/xps_cpus"
        self.refuse(machine, name)
        self.assertIn("it stays 65536, not 0", tree.line_of(machine.affinity("--revert", status=1), "^failed"))
        self.assertEqual(machine.read("var/lib/mooring/affinity.was"), name + "=0\n")
        os.remove(machine.path(name))
        machine.write(name, "7\n")
        machine.affinity("--revert")
        self.assertEqual(machine.all(), before)

    def test_what_cannot_be_remembered_is_not_changed(self):
        machine = self.machine(4, 2, 2, intel(2), 3)
        machine.write("var/lib/mooring", "a file where its folder belongs\n")
        before = machine.all()
        self.assertIn("cannot write", machine.affinity("--cpus=2-3", status=1))
        self.assertEqual(machine.all(), before)

    def test_wrong_arguments_change_nothing(self):
        machine = self.machine(4, 2, 2, intel(2), 3)
        before = machine.all()
        for wrong in ["--cpu=1", "--cpus=4", "--cpus=1-", "--cpus=,", "--cpus=a", "--dev=eth7", "--dev=../x", "--rfs=many"]:
            machine.affinity(wrong, status=2)
        machine.affinity("--dry-run", "--revert", status=2)
        self.assertEqual(machine.all(), before)
        self.assertIn("eth0 lo are", machine.affinity("--dev=eth7", status=2))


if __name__ == "__main__":
    unittest.main(verbosity=2)
