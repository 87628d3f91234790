"""What is compared: the kernel's own path, and each tool that gives a command a network without root.

A sandbox is always entered the same way: lab/inside.sh runs in it and waits; the tool is attached; then the client
starts. slirp4netns and pasta are attached to a user and network namespace that exists already, with the options
that podman and rootlesskit give them.
"""

import contextlib
import json
import os
import select
import shutil
import socket
import tempfile
import time

from lab.network import SERVER
from lab.process import Child, Failed, run

HERE = os.path.dirname(os.path.abspath(__file__))
INSIDE = os.path.join(HERE, "inside.sh")
ROOT = os.path.dirname(os.path.dirname(HERE)) + os.sep
READY_SECONDS = 5


def debian_version(package):
    try:
        return package + " " + run(["dpkg-query", "-W", "-f", "${Version}", package])
    except Failed:
        return package + " (not from a Debian package)"


class Direct:
    """The kernel's own path: the client runs in *host*, no sandbox."""

    name = "direct"
    program = None
    title = "kernel"

    def missing(self):
        return None

    def version(self):
        return "Linux " + ".".join(os.uname().release.split(".")[:2])

    @contextlib.contextmanager
    def sandbox(self, network, mtu, command, publish=None):
        child = Child("sandbox of direct", network.on_host(["sh", INSIDE, network.congestion, SERVER] + command))
        try:
            child.read_until("bench: ready", READY_SECONDS)
            yield child
        finally:
            child.end(patience=2)

    def start_up(self):
        return {"command": ["unshare", "--user", "--map-root-user", "--net", "true"]}


class Cothon:
    name = program = "cothon"
    title = "cothon"

    def __init__(self, binary, threads=1):
        self.binary, self.threads = binary, threads

    def threaded(self, threads):
        """The same, served by so many threads."""
        return Cothon(self.binary, threads)

    def missing(self):
        if not os.access(self.binary, os.X_OK):
            return f"no {os.path.relpath(self.binary, ROOT) if self.binary.startswith(ROOT) else self.binary}"
        return None

    def version(self):
        return "cothon of this tree"

    def command(self, mtu, command, publish):
        published = ["-p", f"{publish}:{publish}"] if publish else []
        threads = ["--threads", str(self.threads)] if self.threads > 1 else []
        return [self.binary, "run", "--mtu", str(mtu), *threads, *published, "--"] + command

    @contextlib.contextmanager
    def sandbox(self, network, mtu, command, publish=None):
        inside = ["sh", INSIDE, network.congestion, SERVER] + command
        child = Child("cothon", network.on_host(self.command(mtu, inside, publish)))
        try:
            child.read_until("bench: ready", READY_SECONDS)
            yield child
        finally:
            child.end(patience=2)

    @contextlib.contextmanager
    def neighbours(self, network, mtu):
        """Two sandboxes, `server` and `client`, that share a network. Gives a block that runs a command in one."""
        with tempfile.TemporaryDirectory(prefix="cothon-bench-") as folder:
            file = os.path.join(folder, "pair.yaml")
            with open(file, "w") as description:
                waiting = {"command": ["sh", "-c", "echo ready; exec sleep infinity"]}
                json.dump({"mtu": mtu, "sandboxes": {"server": waiting, "client": waiting}}, description)
            # Their names are their own, whatever else runs.
            cothon = ["env", f"XDG_RUNTIME_DIR={folder}", self.binary]

            @contextlib.contextmanager
            def inside(name, command):
                entering = cothon + ["exec", name, "--", "sh", INSIDE, network.congestion, SERVER]
                child = Child(name, network.on_host(entering + command))
                try:
                    child.read_until("bench: ready", READY_SECONDS)
                    yield child
                finally:
                    child.end(patience=2)

            both = Child("cothon up", network.on_host(cothon + ["up", file]))
            try:
                for _ in range(2):
                    both.read_until(("server | ready", "client | ready"), READY_SECONDS)
                yield inside
            finally:
                both.end()

    def start_up(self):
        return {"command": [self.binary, "run", "true"]}


class Attached:
    """A tool that is given the process id of a sandbox that waits without a network."""

    def missing(self):
        if shutil.which(self.name) is None:
            return f"no {self.name} (apt-get install {self.package})"
        return None

    def version(self):
        return debian_version(self.package)

    @contextlib.contextmanager
    def sandbox(self, network, mtu, command, publish=None):
        inside = ["sh", INSIDE, network.congestion, SERVER] + command
        waiting = ["unshare", "--user", "--map-root-user", "--net"] + inside
        child = Child(f"sandbox of {self.name}", network.on_host(waiting))
        try:
            child.read_until("bench: ready", READY_SECONDS)
            with self.attach(network, mtu, child.pid, publish):
                yield child
                child.end(patience=2)  # before the tool, as when the command of a container exits
        finally:
            if child.popen.returncode is None:
                child.end()


class Slirp4netns(Attached):
    name = program = "slirp4netns"
    title = "slirp4netns"
    package = "slirp4netns"
    options = ["--configure", "--disable-host-loopback", "--enable-sandbox", "--enable-seccomp"]

    @contextlib.contextmanager
    def attach(self, network, mtu, pid, publish):
        ready, writer = os.pipe()
        folder = tempfile.mkdtemp(prefix="cothon-bench-")
        api = os.path.join(folder, "api")
        try:
            argv = ["slirp4netns"] + self.options + [f"--mtu={mtu}", f"--ready-fd={writer}", f"--api-socket={api}"]
            argv += [str(pid), "tap0"]
            tool = Child(self.name, network.on_host(argv), pass_fds=[writer])
            os.close(writer)
            try:
                if not select.select([ready], [], [], READY_SECONDS)[0] or os.read(ready, 1) != b"1":
                    raise Failed(tool.complaint("not ready"))
                if publish:
                    self.publish(api, publish)
                yield
            finally:
                tool.end()
        finally:
            os.close(ready)
            shutil.rmtree(folder)

    @staticmethod
    def publish(api, port):
        request = {"execute": "add_hostfwd",
                   "arguments": {"proto": "tcp", "host_addr": "0.0.0.0", "host_port": port, "guest_port": port}}
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(READY_SECONDS)
            connection.connect(api)
            connection.sendall(json.dumps(request).encode())
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(4096).decode()
        if "error" in answer or not answer:
            raise Failed(f"slirp4netns does not publish port {port}: {answer or 'no answer'}")

    def start_up(self):
        return {"attach": ["slirp4netns"] + self.options}


class Pasta(Attached):
    name = "pasta"
    program = "passt"
    title = "pasta"
    package = "passt"
    # As root pasta becomes "nobody", who may not enter a namespace of root's; podman runs it as the sandbox's owner.
    options = ["--runas", "0", "--config-net", "--no-map-gw", "--quiet"]
    options += ["-u", "none", "-T", "none", "-U", "none"]

    @contextlib.contextmanager
    def attach(self, network, mtu, pid, publish):
        with tempfile.TemporaryDirectory(prefix="cothon-bench-") as folder:
            file = os.path.join(folder, "pid")
            options = self.options + ["-t", str(publish or "none"), "--foreground", "--pid", file, "-m", str(mtu), str(pid)]
            tool = Child(self.name, network.on_host(["pasta"] + options))
            try:
                self.wait_ready(tool, file)
                yield
            finally:
                tool.end()

    @staticmethod
    def wait_ready(tool, file):
        """pasta writes its process id when the sandbox's network is set up."""
        deadline = time.monotonic() + READY_SECONDS
        while not os.path.exists(file) or os.path.getsize(file) == 0:
            if tool.popen.poll() is not None:
                raise Failed(tool.complaint(f"exit status {tool.popen.returncode}"))
            if time.monotonic() > deadline:
                raise Failed(tool.complaint("not ready"))
            time.sleep(0.002)

    def start_up(self):
        return {"command": ["pasta"] + self.options + ["-t", "none", "--", "true"]}


def every_tool(cothon):
    return [Direct(), Cothon(cothon), Slirp4netns(), Pasta()]
