#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# An echo server that is not right: `strange_server.py PORT wrong` changes a byte of everything; `leaves N` ends every
# connection behind its Nth message; `tells FILE` is right, and writes its process id into FILE at its first message.
import os
import select
import socket
import sys

port, how, *more = sys.argv[1:]
listener = socket.create_server(("127.0.0.1", int(port)), backlog=100)
waiting, connections, messages, told = select.epoll(), {}, {}, False
waiting.register(listener, select.EPOLLIN)
while True:
    for fd, _ in waiting.poll():
        if fd == listener.fileno():
            connection = listener.accept()[0]
            connections[connection.fileno()] = connection
            messages[connection.fileno()] = 0
            waiting.register(connection, select.EPOLLIN)
            continue
        try:
            said = connections[fd].recv(65536)
        except ConnectionError:
            said = b""
        messages[fd] += 1
        if how == "wrong" and said:
            said = said[:-1] + bytes([said[-1] ^ 1])
        if how == "tells" and said and not told:
            told = True
            with open(more[0], "w") as f:
                f.write(f"{os.getpid()}\n")
        try:
            connections[fd].sendall(said)
        except ConnectionError:
            said = b""
        if not said or (how == "leaves" and messages[fd] >= int(more[0])):
            waiting.unregister(fd)
            connections.pop(fd).close()
