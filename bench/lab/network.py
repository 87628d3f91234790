"""Two network namespaces, *host* and *remote*, joined by a veth pair."""

import os
import re
import time

from lab.process import Failed, run

# TEST-NET-3 (RFC 5737): no tool uses it for itself. The servers are not on the gateway's address, since pasta
# may map the default gateway to the outside host's loopback.
HOST = "203.0.113.1"
GATEWAY = "203.0.113.2"
SERVER = "203.0.113.10"

PREFIX = "cothon-bench"
ALLOWED = "/proc/sys/net/ipv4/tcp_allowed_congestion_control"
AVAILABLE = "/proc/sys/net/ipv4/tcp_available_congestion_control"

# The states' numbers in /proc/net/tcp and udp.
LISTEN = "0A"
UNCONNECTED = "07"


class Congestion:
    """Lets every namespace choose one congestion control algorithm, for as long as the block lasts.

    Outside the first namespace only algorithms of the allowed list can be chosen, and that list is the machine's.
    """

    def __init__(self, name):
        self.name = name
        self.before = None

    def __enter__(self):
        with open(AVAILABLE) as available:
            if self.name not in available.read().split():
                raise Failed(f"the kernel has no congestion control '{self.name}' (try: modprobe tcp_{self.name})")
        with open(ALLOWED) as allowed:
            names = allowed.read().split()
        if self.name not in names:
            self.set_allowed(names + [self.name])
            self.before = names
        return self

    def __exit__(self, *_):
        if self.before is not None:
            self.set_allowed(self.before)

    def set_allowed(self, names):
        try:
            with open(ALLOWED, "w") as allowed:
                allowed.write(" ".join(names))
        except OSError as error:
            raise Failed(
                f"namespaces may not choose '{self.name}', and {ALLOWED} cannot be changed: {error.strerror}; "
                f"on the outer machine: sysctl -w net.ipv4.tcp_allowed_congestion_control='{' '.join(names)}'"
            ) from None


class Network:
    """The pair, made anew for every measurement, so that no route metrics, TIME-WAIT sockets or
    half-dead flows pass from one tool to the next."""

    def __init__(self, mtu, congestion):
        self.mtu = mtu
        self.congestion = congestion
        self.host = f"{PREFIX}-{os.getpid()}-host"
        self.remote = f"{PREFIX}-{os.getpid()}-remote"

    def __enter__(self):
        try:
            for name in (self.host, self.remote):
                run(["ip", "netns", "add", name])
            self.join()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        remove([name for name in present() if name in (self.host, self.remote)])

    def join(self):
        """Links, addresses, routes, and the congestion control of both ends."""
        run(["ip", "-batch", "-"], f"link add bench0 mtu {self.mtu} netns {self.host} type veth "
            f"peer name bench0 mtu {self.mtu} netns {self.remote}\n")
        for name, lines in (
            (self.host, (f"address add {HOST}/24 dev bench0",)),
            (self.remote, (f"address add {GATEWAY}/24 dev bench0", f"address add {SERVER}/24 dev bench0")),
        ):
            run(["ip", "-n", name, "-batch", "-"], "\n".join(lines + ("link set lo up", "link set bench0 up", "")))
            run(self.inside(name, ["sh", "-c", f"echo {self.congestion} >/proc/sys/net/ipv4/tcp_congestion_control"]))
        run(["ip", "-n", self.host, "route", "add", "default", "via", GATEWAY])

    @staticmethod
    def inside(name, argv):
        return ["ip", "netns", "exec", name] + argv

    def on_host(self, argv):
        return self.inside(self.host, argv)

    def on_remote(self, argv):
        return self.inside(self.remote, argv)

    def inode(self, name):
        return os.stat(f"/run/netns/{name}").st_ino

    def settings(self):
        """What must be equal in both ends: (congestion control, receive buffer, send buffer)."""
        files = [f"/proc/sys/net/ipv4/tcp_{name}" for name in ("congestion_control", "rmem", "wmem")]
        return {name: run(self.inside(name, ["cat"] + files)) for name in (self.host, self.remote)}

    def host_algorithms(self):
        """The congestion control of every connection of *host* to the servers at this moment."""
        sockets = run(self.on_host(["ss", "-Htin", "dst", SERVER]))
        return set(re.findall(r"\b(bbr|cubic|reno|dctcp|vegas|westwood|htcp|bic)\b", sockets))

    def wait_listening(self, child, port, seconds=5):
        """Returns when `child` listens in *remote*: the kernel's own table says so."""
        self.wait_for_entry(child, port, LISTEN, seconds)

    def wait_bound(self, child, port, seconds=5):
        """Returns when `child` has a UDP socket on the port in *remote*."""
        self.wait_for_entry(child, port, UNCONNECTED, seconds, "udp")

    def wait_for_entry(self, child, port, state, seconds, table="tcp"):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if child.popen.poll() is not None:
                raise Failed(child.complaint(f"exit status {child.popen.returncode}"))
            if os.stat(f"/proc/{child.pid}/ns/net").st_ino == self.inode(self.remote) and \
                    has_entry(child.pid, port, state, (table,)):
                return
            time.sleep(0.002)
        raise Failed(child.complaint(f"does not listen on port {port} after {seconds} s"))


def has_entry(pid, port, state, tables):
    """True when the network namespace of process `pid` has a socket on the port in the state."""
    wanted = f":{port:04X}"
    for name in tables:
        with open(f"/proc/{pid}/net/{name}") as table:
            entries = [line.split() for line in table]
        if any(entry[1].endswith(wanted) and entry[3] == state for entry in entries[1:]):
            return True
    return False


def present():
    """The namespaces of this and of other runs."""
    try:
        return [name for name in os.listdir("/run/netns") if name.startswith(PREFIX + "-")]
    except FileNotFoundError:
        return []


def remove(names):
    for name in names:
        run(["ip", "netns", "del", name])


def remove_own():
    remove([name for name in present() if name.split("-")[2] == str(os.getpid())])


def remove_stale():
    """Removes what a run that was killed has left: its process id is in the name."""
    for name in present():
        if not os.path.exists(f"/proc/{name.split('-')[2]}"):
            remove([name])
