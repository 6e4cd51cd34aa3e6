# SPDX-License-Identifier: Apache-2.0
"""What connections cost in memory: resident bytes of the server's processes, and the kernel's objects.

The kernel's part is counted in objects of its caches (/proc/slabinfo), each with its share of its pages. Two other
ways were tried and are wrong: a memory group of the server's own (cgroup v1, Linux 6.18) is charged for 1.5 of 4.7 KB,
neither for accepted sockets, which are made in an interrupt, nor for most of an armed receive; and the growth of Slab
in /proc/meminfo has everybody's files in it.

The caches do not say whose an object is. Both ends of a connection have a socket, so half of those is the load's. What
else the load has is measured: against a server that holds plain sockets and nothing else (LoadPart)."""
import os
import re
import select
import socket
import threading
import time
from collections import namedtuple

PAGE = os.sysconf("SC_PAGE_SIZE")
SOCKET_CACHES = {"TCP", "sock_inode_cache", "filp", "dentry", "lsm_inode_cache", "lsm_file_cache"}
# Files, memory maps and processes of whoever else is there: no connection has any.
OTHERS = re.compile(r"inode_cache$|^(buffer_head|extent_status|radix_tree_node|vm_area|anon_vma|vma_|maple_node|task_|"
                    r"pid|cred_|signal_|sighand_|files_|fs_|mm_|kernfs|ext4_|jbd2_|bio|blk|tw_sock|request_sock|skbuff|"
                    r"names_|ftrace|trace_)")
LEAST_OF_A_CONNECTION = 0.5  # objects: what grows less is somebody else's
SETTLED_BYTES = 10  # of a connection, that come or go within half a rest
SETTLE_RESTS_MOST = 12
STRANGERS_MOST = 0.1  # sockets: a connection has two
CALIBRATION_CONNECTIONS = 2_000
TIME_WAIT_MOST = 500  # clients' sockets in TIME_WAIT keep objects, which go while others are counted
TIME_WAIT_SECONDS = 70

Objects = namedtuple("Objects", "count bytes")  # of one cache; bytes each, with its share of the page


def Resident(pids):
    """Anonymous and file pages of these processes: VmRSS without shared memory."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/status") as f:
            total += sum(1024 * int(line.split()[1]) for line in f if line.startswith(("RssAnon:", "RssFile:")))
    return total


def ParseSlabs(text):
    caches = {}
    for line in text.splitlines():
        fields = line.split()
        if line.startswith(("slabinfo", "#")) or len(fields) < 6:
            continue
        per_slab, pages = int(fields[4]), int(fields[5])
        caches[fields[0]] = Objects(int(fields[1]), pages * PAGE / per_slab if per_slab else int(fields[3]))
    return caches


def Slabs():
    """None where we may not look: it is root's."""
    try:
        with open("/proc/slabinfo") as f:
            return ParseSlabs(f.read())
    except OSError:
        return None


def Settled(connections, rest_seconds):
    """Slabs() when they change no more: silent connections may be given less, a few each millisecond. None as there."""
    most = max(SETTLED_BYTES * connections, 1 << 20)
    deadline = time.monotonic() + SETTLE_RESTS_MOST * rest_seconds
    before = Slabs()
    while before is not None:
        time.sleep(rest_seconds / 2)
        now = Slabs()
        if abs(Total(now) - Total(before)) <= most or time.monotonic() > deadline:
            return now
        before = now
    return None


def Total(slabs):
    return sum(count * size for name, (count, size) in slabs.items() if Mine(name))


def Mine(name):
    """Whether a connection may have objects of this cache."""
    return name in SOCKET_CACHES or not OTHERS.search(name)


def Growth(before, after, connections):
    """Bytes of one connection, both ends, by cache."""
    grown = {}
    for name, now in after.items():
        each = (now.count - (before[name].count if name in before else 0)) / connections
        if Mine(name) and each >= LEAST_OF_A_CONNECTION:
            grown[name] = each * now.bytes
    return grown


def KernelParts(before, after, connections, load_part):
    """The server's: {"socket": bytes, "receive": bytes} of a connection. `receive` is all that waits for bytes: armed
    requests of a ring, or what epoll has. None when other people's sockets came or went meanwhile."""
    grown = Growth(before, after, connections)
    if abs(grown.get("TCP", 0) / after["TCP"].bytes - 2) > STRANGERS_MOST:
        return None
    sockets = sum(size for name, size in grown.items() if name in SOCKET_CACHES) / 2
    rest = sum(size for name, size in grown.items() if name not in SOCKET_CACHES)
    return {"socket": sockets, "receive": max(0.0, rest - load_part)}


def AwaitTimeWait():
    """Until what earlier loads have left behind is gone."""
    deadline = time.monotonic() + TIME_WAIT_SECONDS
    while TimeWaits() > TIME_WAIT_MOST and time.monotonic() < deadline:
        time.sleep(1)


def TimeWaits():
    with open("/proc/net/sockstat") as f:
        return int(re.search(r"^TCP:.* tw (\d+)", f.read(), re.MULTILINE).group(1))


class PlainServer:
    """Echoes what comes, and then holds sockets that nothing waits for: no epoll, no thread that reads."""
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.open = []
        self.resting = threading.Event()
        self.thread = threading.Thread(target=self.Serve, daemon=True)
        self.thread.start()

    def Serve(self):
        waiting, by_fd = select.epoll(), {}
        waiting.register(self.listener, select.EPOLLIN)
        while not self.resting.is_set():
            for fd, _ in waiting.poll(0.1):
                if fd == self.listener.fileno():
                    connection = self.listener.accept()[0]
                    self.open.append(connection)
                    by_fd[connection.fileno()] = connection
                    waiting.register(connection, select.EPOLLIN)
                elif said := by_fd[fd].recv(65536):
                    by_fd[fd].sendall(said)
                else:
                    waiting.unregister(fd)
        waiting.close()

    def Rest(self):
        self.resting.set()
        self.thread.join()

    def Stop(self):
        self.Rest()
        for connection in [self.listener, *self.open]:
            connection.close()


def LoadPart(start_load, connections, rest_seconds):
    """Bytes of a connection that are the load's beyond its socket. `start_load(port, connections)` gives a load that is
    ready. None where slabinfo is not to be read."""
    before = Slabs()
    if before is None:
        return None
    server = PlainServer()
    try:
        load = start_load(server.port, connections)
        try:
            server.Rest()
            time.sleep(rest_seconds)
            grown = Growth(before, Settled(connections, rest_seconds), connections)
        finally:
            load.Stop()
    finally:
        server.Stop()
    return sum(size for name, size in grown.items() if name not in SOCKET_CACHES)


def UserParts(purposes_before, purposes, connections, user_bytes):
    """mooringd's own count of a connection's user memory, from its admin interface: growth since it was empty. Blocks
    that are published no more have given their pages back and still count, so buffers are at most what is resident."""
    if not purposes_before or not purposes:
        return None
    each = lambda *names: sum(purposes.get(n, 0) - purposes_before.get(n, 0) for n in names) / connections
    connection, frame = each("connections", "timers"), each("frames")
    buffers = min(each("receive_blocks", "blocks", "segments"), user_bytes - connection - frame)
    return {"connection": connection, "frame": frame, "buffers": max(0.0, buffers)}
