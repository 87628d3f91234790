#!/usr/bin/env python3
"""Opens many connections, leaves them alone, and then sees that each still carries a byte there and back.

usage: idle.py server|client ADDRESS PORT COUNT. The client prints "held COUNT" when all are open, and two seconds
later, when all have answered, "alive COUNT"; or what went wrong.
"""

import resource
import select
import socket
import sys
import time

SPARE = 64  # descriptors beside the connections


def allow(count):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count + SPARE:
        sys.exit(f"needs {count + SPARE} open files, and {hard} are allowed (ulimit -n)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + SPARE, hard))


def serve(address, count):
    poll = select.epoll()
    connections = {}
    with socket.create_server(address, backlog=1024) as listener:
        poll.register(listener, select.EPOLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == listener.fileno():
                    connection, _ = listener.accept()
                    connections[connection.fileno()] = connection
                    poll.register(connection, select.EPOLLIN)
                    continue
                data = connections[descriptor].recv(16)
                if data:
                    connections[descriptor].sendall(data)
                else:
                    connections.pop(descriptor).close()


def hold(address, count):
    connections = []
    for number in range(count):
        try:
            connections.append(socket.create_connection(address, timeout=5))
        except OSError as error:
            sys.exit(f"connection {number + 1} of {count}: {error}")
    print("held", count, flush=True)
    time.sleep(2)
    for number, connection in enumerate(connections):
        try:
            connection.sendall(b"?")
            if connection.recv(1) != b"?":
                sys.exit(f"connection {number + 1} of {count} was closed")
        except OSError as error:
            sys.exit(f"connection {number + 1} of {count}: {error}")
    print("alive", count, flush=True)


def main():
    role, address, port, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    allow(count)
    (serve if role == "server" else hold)((address, port), count)


if __name__ == "__main__":
    main()
