#!/usr/bin/env python3
"""Finds the highest rate of UDP datagrams of which fewer than one in a thousand is lost.

usage: udp.py serve ADDRESS PORT                        the server, in *remote*
       udp.py probe ADDRESS PORT out|in BYTES CALL      the client, in the sandbox; prints JSON

CALL is how both ends speak to their kernel: `many` is sendmmsg(2) and recvmmsg(2), `segments` UDP_SEGMENT and UDP_GRO.
The rate doubles until too many datagrams are lost, or the sender cannot send so fast; then it is halved in between a
few times. One TCP connection tells the server what to do and brings its count, one UDP flow carries what is counted.
"""

import ctypes
import gc
import json
import select
import socket
import sys
import time

FIRST = 1e9  # bits per second
LAST = 64e9
HALVINGS = 3
LOSS = 0.001
PROBE = 0.25  # seconds of one rate
QUIET = 0.1  # seconds of silence after which what has not come is lost
REACHED = 0.9  # of the rate asked for, below which it is the sender that is too slow
PATIENCE = 10
BATCH = 32  # datagrams a call
TICK = 50e-6  # seconds that the sender sleeps when fewer than BURST datagrams are due
BURST = 8
DEBT = 1e-3  # seconds that the sender makes up for at most after it was kept from the processor
BUFFER = 4 << 20  # bytes asked for; the kernel gives what its limits allow
UDP_SEGMENT = 103
UDP_GRO = 104
MSG_DONTWAIT = 0x40
PR_SET_TIMERSLACK = 29
LIBC = ctypes.CDLL(None, use_errno=True)


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


class Header(ctypes.Structure):
    """struct msghdr."""

    _fields_ = [("name", ctypes.c_void_p), ("name_len", ctypes.c_uint32), ("iov", ctypes.POINTER(Vector)),
                ("iov_len", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_len", ctypes.c_size_t),
                ("flags", ctypes.c_int)]


class Message(ctypes.Structure):
    """struct mmsghdr."""

    _fields_ = [("header", Header), ("len", ctypes.c_uint)]


class Many:
    """Datagrams by sendmmsg(2) and recvmmsg(2). All go out of, and come into, one piece of memory: it is in the cache."""

    def __init__(self, link, size):
        self.fd, self.size = link.fileno(), size
        self.room = ctypes.create_string_buffer(65536)
        self.vector = Vector(ctypes.addressof(self.room), size)
        self.messages = (Message * BATCH)()
        for message in self.messages:
            message.header = Header(iov=ctypes.pointer(self.vector), iov_len=1)

    def send(self, count):
        """Sends up to `count` datagrams; returns how many."""
        return max(0, LIBC.sendmmsg(self.fd, self.messages, min(count, BATCH), 0))

    def receive(self):
        """Takes what is there; returns how many datagrams."""
        return max(0, LIBC.recvmmsg(self.fd, self.messages, BATCH, MSG_DONTWAIT, None))


class Segments:
    """Datagrams that leave and come as one piece of memory each burst, cut and put together by the kernel."""

    def __init__(self, link, size):
        self.link, self.size = link, size
        link.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, size)
        link.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
        self.data = memoryview(bytes(65536))
        self.room = bytearray(65536)
        self.most = min(BATCH, 65000 // size)

    def send(self, count):
        return self.link.send(self.data[:self.size * min(count, self.most)]) // self.size

    def receive(self):
        got = 0
        try:
            for _ in range(BATCH):
                got += self.link.recv_into(self.room, 0, MSG_DONTWAIT) // self.size
        except BlockingIOError:
            pass
        return got


CALLS = {"many": Many, "segments": Segments}


def send(calls, rate):
    """Sends for PROBE seconds at a rate; returns how many datagrams, and in how many seconds."""
    gap = calls.size * 8 / rate
    count, sent = int(PROBE / gap), 0
    begin = start = time.monotonic()
    while sent < count and time.monotonic() - begin < 4 * PROBE:
        now = time.monotonic()
        due = min(count, int((now - start) / gap) + 1) - sent
        if due > DEBT / gap + BATCH:  # a burst of all that was missed would measure the buffers
            start += (due - DEBT / gap) * gap
        elif due >= min(BURST, count - sent):
            sent += calls.send(due)
        else:
            time.sleep(TICK)
    return sent, time.monotonic() - begin


def receive(calls, link, control):
    """Counts datagrams until the other end has said over `control` how many it sent, and they are here or lost."""
    got, first, last, told = 0, None, time.monotonic(), None
    while told is None or got < told["sent"]:
        ready = select.select([link] if told else [link, control], [], [], QUIET if told else PATIENCE)[0]
        if not ready:
            break
        if link in ready:
            count = calls.receive()
            last = time.monotonic()
            first = first or (last if count else None)
            got += count
        elif control in ready:
            told = hear(control)
    if told is None:
        raise SystemExit("the sender has not said how much it sent")
    return {**told, "got": got, "seconds": max(told["seconds"], last - first if first else 0)}


def say(control, message):
    control.sendall(json.dumps(message).encode() + b"\n")


def hear(control):
    line = b""
    while not line.endswith(b"\n"):
        byte = control.recv(1)
        if not byte:
            raise EOFError
        line += byte
    return json.loads(line)


def socket_of(address):
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        link.setsockopt(socket.SOL_SOCKET, option, BUFFER)
    link.bind(address)
    return link


def perform(link, control, wanted, sending):
    """One probe, at one of its ends; returns the counts at that which receives."""
    calls = CALLS[wanted["call"]](link, wanted["size"])
    if sending:
        sent, seconds = send(calls, wanted["rate"])
        say(control, {"sent": sent, "seconds": seconds})
        return None
    return receive(calls, link, control)


def serve(address, port):
    listening = socket.create_server((address, port))
    while True:
        control, _ = listening.accept()
        control.settimeout(PATIENCE)
        try:
            wanted = hear(control)
            with socket_of((address, 0)) as link:
                say(control, {"port": link.getsockname()[1]})
                link.settimeout(PATIENCE)
                link.connect(link.recvfrom(1)[1])  # the client's first: now its way back is known
                link.settimeout(None)
                say(control, {})
                found = perform(link, control, wanted, wanted["direction"] == "in")
                if found:
                    say(control, found)
        except (EOFError, OSError):
            pass  # that client's measurement has failed, and it says so
        finally:
            control.close()


def probe_once(server, port, direction, size, call, rate):
    with socket.create_connection((server, port), PATIENCE) as control, socket_of(("0.0.0.0", 0)) as link:
        wanted = {"direction": direction, "size": size, "call": call, "rate": rate}
        say(control, wanted)
        link.connect((server, hear(control)["port"]))
        link.send(b"!")
        hear(control)
        return perform(link, control, wanted, direction == "out") or hear(control)


def probe(server, port, direction, size, call):
    tried = []

    def good(rate):
        """Whether the rate got through; what arrived is recorded."""
        found = probe_once(server, port, direction, size, call, rate)
        loss = 1 - found["got"] / found["sent"] if found["sent"] else 1.0
        bits = size * 8 / found["seconds"]
        tried.append({"asked": rate, "sent": found["sent"] * bits, "arrived": found["got"] * bits, "loss": loss})
        return loss < LOSS and found["sent"] * bits > REACHED * rate

    low, high = 0.0, FIRST
    while high <= LAST and good(high):
        low, high = high, high * 2
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if good(middle):
            low = middle
        else:
            high = middle
    best = max((one["arrived"] for one in tried if one["loss"] < LOSS), default=0.0)
    print(json.dumps({"gigabits_per_second": best / 1e9, "probes": tried}))


def main():
    gc.disable()
    LIBC.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    what, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if what == "serve":
        serve(address, port)
    else:
        probe(address, port, sys.argv[4], int(sys.argv[5]), sys.argv[6])


if __name__ == "__main__":
    main()
