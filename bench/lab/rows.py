"""What is measured: each row knows its server, its client and how to read the client's answer."""

import contextlib
import json
import os
import re
import statistics
import sys
import tempfile
import time

from lab.conditions import Watch, disturbance, memory_of
from lab.network import HOST, SERVER, Network
from lab.process import Child, Failed

HERE = os.path.dirname(os.path.abspath(__file__))
STARTUP = os.path.join(HERE, "startup.py")
LOADED = os.path.join(HERE, "loaded.sh")
UDP = os.path.join(HERE, "udp.py")
IDLE = os.path.join(HERE, "idle.py")
STARTUP_REPETITIONS = 20
CONGESTION = "cubic"
PATIENCE = 10  # seconds that a client may take longer than it was told


def parse_json(text):
    try:
        return json.loads(text)
    except ValueError:
        raise Failed(f"not JSON: {text[:200]!r}") from None


def find_number(pattern, text):
    match = re.search(pattern, text)
    if match is None:
        raise Failed(f"no '{pattern}' in: {text.strip()[-300:]!r}")
    return float(match[1])


def record(value, details, usage, doubts):
    """One measurement; `doubts` are reasons not to trust it."""
    disturbed = disturbance(usage)
    return {"value": value, "details": details, "usage": usage, "doubts": doubts + ([disturbed] if disturbed else [])}


class Traffic:
    """A row with a server in *remote* and a client in the sandbox.

    A subclass gives `name`, `title`, `unit`, `better`, `programs`, `mtu`, `port`; `serving` (a block during which
    the server listens), `client` (its command line) and `read` (its output: value, details, doubts).
    """

    rounds = None  # at most so many; None: as many as are asked for
    needs_tool = False  # True: there is nothing to measure on the kernel's own path
    only = None  # the tools that can do this; None: all

    def measure(self, tool, seconds, look):
        """One measurement in namespaces of its own. With `look` also the tool's sockets on the host are checked."""
        with Network(self.mtu, CONGESTION) as network, self.serving(network):
            bounded = ["timeout", str(seconds + PATIENCE), *self.client(seconds)]
            with tool.sandbox(network, self.mtu, bounded) as sandbox:
                return self.follow(network, sandbox, tool, seconds, look)

    def follow(self, network, sandbox, tool, seconds, look):
        sandbox.say("go")
        _, facts = sandbox.read_until("bench: facts", 5)
        watch = Watch(None if tool.name == "direct" else network.inode(network.host))
        notes = []
        if look:
            time.sleep(seconds / 2)
            notes += [f"a socket on the host uses {name}" for name in network.host_algorithms() - {CONGESTION}]
        lines, done = sandbox.read_until("bench: done", seconds + PATIENCE + 1)
        usage = watch.stop()
        output = "\n".join(lines)
        if done != "bench: done 0":
            raise Failed(f"{self.programs[0]} in the sandbox of {tool.name}: "
                         f"{self.failure(output) or sandbox.complaint('no reason given')}")
        value, details, doubts = self.read(output)
        notes += self.unequal(facts, network) + doubts
        return record(value, details, usage, notes)

    def failure(self, output):
        return output.strip()[-300:]

    def unequal(self, facts, network):
        """What would make the comparison unfair: every condition that is not the same for all."""
        wanted = f"bench: facts mtu={self.mtu} congestion={CONGESTION}"
        notes = [f"in the sandbox: {facts[13:]}, expected {wanted[13:]}"] if facts != wanted else []
        settings = network.settings()
        if len(set(settings.values())) != 1 or not settings[network.host].startswith(CONGESTION):
            notes.append(f"host and remote differ: {settings}")
        return notes


class Throughput(Traffic):
    unit = "Gbit/s"
    better = "higher"
    programs = ("iperf3",)
    packages = ("iperf3",)
    port = 5201

    def __init__(self, direction, mtu, streams):
        self.direction, self.mtu, self.streams = direction, mtu, streams
        self.name = f"tcp-{direction}-{mtu}" + (f"-x{streams}" if streams > 1 else "")
        count = {1: "one stream", 4: "four streams"}[streams]
        self.title = f"TCP {direction}, {count}, MTU {mtu}"

    @contextlib.contextmanager
    def serving(self, network):
        argv = ["iperf3", "-s", "-1", "-4", "-B", SERVER, "-p", str(self.port)]
        server = Child("iperf3 server", network.on_remote(argv))
        try:
            network.wait_listening(server, self.port)
            yield
        finally:
            server.end()

    def client(self, seconds, server=SERVER):
        argv = ["iperf3", "-c", server, "-p", str(self.port), "-t", str(seconds), "-i", "0", "-J"]
        argv += ["--connect-timeout", "3000"]
        return argv + ["-P", str(self.streams)] + (["-R"] if self.direction == "in" else [])

    def read(self, output):
        """Goodput as the receiver counts it: what has arrived, not what has been sent."""
        end = parse_json(output)["end"]
        received = end["sum_received"]
        details = {"bytes": received["bytes"], "seconds": received["seconds"],
                   "retransmits": end["sum_sent"].get("retransmits")}
        used = {end.get("sender_tcp_congestion"), end.get("receiver_tcp_congestion")}
        doubts = [f"iperf3 used {name}" for name in used if name != CONGESTION]
        return received["bits_per_second"] / 1e9, details, doubts

    def failure(self, output):
        try:
            return json.loads(output)["error"]
        except (ValueError, KeyError):
            return super().failure(output)


class Threads:
    """A row in which several threads serve the sandbox: before the class of the row with one."""

    only = ("direct", "cothon")
    threads = 2

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.name += f"-t{self.threads}"
        self.title += f", {self.threads} threads"

    def measure(self, tool, seconds, look):
        return super().measure(tool.threaded(self.threads) if tool.name == "cothon" else tool, seconds, look)


class ThreadsThroughput(Threads, Throughput):
    pass


class Published(Throughput):
    """The other way round: the server is in the sandbox, and the client in *remote* comes by a published port."""

    def __init__(self, direction, mtu):
        super().__init__(direction, mtu, 1)
        self.name = f"published-{direction}-{mtu}"
        self.title = f"TCP {direction} by a published port, MTU {mtu}"

    def measure(self, tool, seconds, look):
        server = ["timeout", str(seconds + PATIENCE), "iperf3", "-s", "-1", "-p", str(self.port), "--forceflush"]
        with Network(self.mtu, CONGESTION) as network:
            with tool.sandbox(network, self.mtu, server, self.port) as sandbox:
                return self.follow(network, sandbox, tool, seconds, look)

    def follow(self, network, sandbox, tool, seconds, look):
        sandbox.say("go")
        _, facts = sandbox.read_until("bench: facts", 5)
        sandbox.read_until("Server listening", 5)
        watch = Watch(None if tool.name == "direct" else network.inode(network.host))
        client = Child("iperf3 client", network.on_remote(self.remote_client(seconds)))
        try:
            lines, done = client.read_until("bench: done", seconds + PATIENCE + 1)
            usage = watch.stop()
            output = "\n".join(lines)
            if done != "bench: done 0":
                raise Failed(f"iperf3 by the published port of {tool.name}: "
                             f"{self.failure(output) or client.complaint('no reason given')}")
        finally:
            client.end()
        value, details, doubts = self.read(output)
        return record(value, details, usage, self.unequal(facts, network) + doubts)

    def remote_client(self, seconds):
        argv = ["timeout", str(seconds + PATIENCE), "iperf3", "-c", HOST, "-p", str(self.port), "-t", str(seconds)]
        argv += ["-i", "0", "-J", "--connect-timeout", "3000"] + (["-R"] if self.direction == "out" else [])
        return ["sh", "-c", '"$@"; echo; echo "bench: done $?"', "sh"] + argv


class Neighbours(Throughput):
    """Between two sandboxes that share a network; on the kernel's own path, between its two namespaces."""

    only = ("direct", "cothon")

    def __init__(self, mtu):
        super().__init__("out", mtu, 1)
        self.name = f"neighbours-{mtu}"
        self.title = f"TCP from sandbox to sandbox, MTU {mtu}"

    def measure(self, tool, seconds, look):
        if tool.name == "direct":
            return super().measure(tool, seconds, look)
        server = ["timeout", str(seconds + PATIENCE), "iperf3", "-s", "-1", "-p", str(self.port), "--forceflush"]
        client = ["timeout", str(seconds + PATIENCE), *self.client(seconds, "server.internal")]
        with Network(self.mtu, CONGESTION) as network, tool.neighbours(network, self.mtu) as inside:
            with inside("server", server) as serving:
                serving.say("go")
                serving.read_until("Server listening", 5)
                with inside("client", client) as sandbox:
                    return self.follow(network, sandbox, tool, seconds, False)


class PingPong(Traffic):
    """sockperf: 64 bytes there and back on one connection, perhaps beside four bulk transfers."""

    unit = "µs"
    better = "lower"
    mtu = 1500
    port = 11111
    load_port = 5201
    PERCENTILES = ("50.000", "75.000", "90.000", "99.000", "99.900")

    def __init__(self, percentile, load=None):
        self.percentile, self.load = percentile, load
        self.programs = ("sockperf", "iperf3") if load else ("sockperf",)
        self.packages = self.programs
        what = {"50.000": "median", "99.000": "99th percentile"}[percentile]
        self.name = "pingpong" + {"50.000": "", "99.000": "-p99"}[percentile] + (f"-loaded-{load}" if load else "")
        self.title = f"64 bytes there and back, {what}" + (f", beside four transfers {load}" if load else "")

    @contextlib.contextmanager
    def serving(self, network):
        argv = ["sockperf", "sr", "--tcp", "-i", SERVER, "-p", str(self.port)]
        with contextlib.ExitStack() as stack:
            self.serve(stack, network, "sockperf server", argv, self.port)
            if self.load:
                argv = ["iperf3", "-s", "-1", "-4", "-B", SERVER, "-p", str(self.load_port)]
                self.serve(stack, network, "iperf3 server", argv, self.load_port)
            yield

    @staticmethod
    def serve(stack, network, name, argv, port):
        server = Child(name, network.on_remote(argv))
        stack.callback(server.end)
        network.wait_listening(server, port)

    def client(self, seconds):
        argv = ["sockperf", "pp", "--tcp", "-i", SERVER, "-p", str(self.port), "-m", "64", "-t", str(seconds),
                "--full-rtt"]
        return ["sh", LOADED, SERVER, str(self.load_port), self.load, str(seconds)] + argv if self.load else argv

    def read(self, output):
        plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
        found = {name: find_number(rf"percentile {name} =\s*([0-9.]+)", plain) for name in self.PERCENTILES}
        return found[self.percentile], {"percentiles": found}, []


class Datagrams(Traffic):
    """The highest rate of UDP datagrams of which fewer than one in a thousand is lost."""

    unit = "Gbit/s"
    better = "higher"
    programs = ("python3",)
    packages = ("python3",)
    mtu = 1500
    port = 5201
    size = 1400
    rounds = 3

    def __init__(self, direction, call):
        self.direction, self.call = direction, call
        self.name = f"udp-{direction}" + {"many": "", "segments": "-gso"}[call]
        how = {"many": "", "segments": ", ends with UDP GSO"}[call]
        self.title = f"UDP {direction}, {self.size} bytes, loss below 0.1 %{how}"

    @contextlib.contextmanager
    def serving(self, network):
        server = Child("UDP server", network.on_remote([sys.executable, UDP, "serve", SERVER, str(self.port)]))
        try:
            network.wait_listening(server, self.port)
            yield
        finally:
            server.end()

    def client(self, seconds):
        return [sys.executable, UDP, "probe", SERVER, str(self.port), self.direction, str(self.size), self.call]

    def read(self, output):
        found = parse_json(output)
        return found["gigabits_per_second"], found, []


class Web(Traffic):
    """wrk against nginx. A subclass says how many connections, whether they are kept, and what is read."""

    programs = ("wrk", "nginx")
    packages = ("wrk", "nginx")
    mtu = 1500
    port = 8080
    headers = ()

    @contextlib.contextmanager
    def serving(self, network):
        with tempfile.TemporaryDirectory(prefix="cothon-bench-") as folder:
            config = os.path.join(folder, "nginx.conf")
            with open(config, "w") as file:
                file.write(self.config(folder))
            server = Child("nginx", network.on_remote(["nginx", "-p", folder, "-c", config, "-e", "stderr"]))
            try:
                network.wait_listening(server, self.port)
                yield
            finally:
                server.end()

    def config(self, folder):
        spools = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in
                         ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        return ("daemon off; master_process off; error_log stderr;\n"
                f"pid {folder}/nginx.pid; events {{ worker_connections 1024; }}\n"
                f"http {{ access_log off; keepalive_requests 100000000;\n{spools}"
                f'server {{ listen {SERVER}:{self.port}; location / {{ return 200 "well met\\n"; }} }} }}\n')

    def client(self, seconds):
        argv = ["wrk", "--latency", "-t", "1", "-c", str(self.connections), "-d", f"{seconds}s"]
        return argv + [word for header in self.headers for word in ("-H", header)] + [f"http://{SERVER}:{self.port}/"]

    def read(self, output):
        doubts = re.findall(r"Socket errors: .*|Non-2xx or 3xx responses: .*", output)
        value, details = self.pick(output)
        return value, details, doubts

    def pick(self, output):
        return find_number(r"Requests/sec:\s*([0-9.]+)", output), {}


class Connections(Web):
    name = "connections"
    title = "HTTP requests, a connection each, 16 at once"
    unit = "1/s"
    better = "higher"
    connections = 16
    headers = ("Connection: close",)


class Requests(Web):
    name = "requests"
    title = "HTTP requests over 16 connections"
    unit = "1/s"
    better = "higher"
    connections = 16


class ThreadsRequests(Threads, Requests):
    pass


class ThreadsConnections(Threads, Connections):
    pass


class Idle(Traffic):
    """Connections that are open and silent: what each costs of the tool's memory, while all of them live."""

    name = "idle"
    unit = "KiB"
    better = "lower"
    programs = ("python3",)
    packages = ("python3",)
    mtu = 1500
    port = 7007
    count = 15000
    title = f"memory of the tool for each of {count:,} idle connections"
    rounds = 1
    needs_tool = True
    patience = 60  # seconds to open them all

    @contextlib.contextmanager
    def serving(self, network):
        argv = [sys.executable, IDLE, "server", SERVER, str(self.port), str(self.count)]
        server = Child("idle server", network.on_remote(argv))
        try:
            network.wait_listening(server, self.port)
            yield
        finally:
            server.end()

    def client(self, seconds):
        return [sys.executable, IDLE, "client", SERVER, str(self.port), str(self.count)]

    def measure(self, tool, seconds, look):
        return super().measure(tool, self.patience, False)

    def follow(self, network, sandbox, tool, seconds, look):
        sandbox.say("go")
        _, facts = sandbox.read_until("bench: facts", 5)
        before = memory_of(tool.program)
        watch = Watch(network.inode(network.host))
        self.wait_for("held", sandbox, seconds)
        held = memory_of(tool.program)
        self.wait_for("alive", sandbox, seconds)
        details = {"connections": self.count, "bytes_before": before, "bytes_held": held}
        return record((held - before) / self.count / 1024, details, watch.stop(), self.unequal(facts, network))

    @staticmethod
    def wait_for(word, sandbox, seconds):
        lines, line = sandbox.read_until((word, "bench: done"), seconds)
        if not line.startswith(word):
            said = [text for text in lines if text]
            raise Failed(said[-1] if said else sandbox.complaint("no reason given"))


class Memory:
    """What a tool takes for a sandbox in which nothing happens."""

    name = "memory"
    title = "memory of the tool for an idle sandbox"
    unit = "MiB"
    better = "lower"
    programs = ()
    packages = ()
    rounds = 1
    needs_tool = True
    only = None

    def measure(self, tool, _seconds, _look):
        with Network(1500, CONGESTION) as network, tool.sandbox(network, 1500, ["true"]):
            watch = Watch()
            taken = memory_of(tool.program)
            return record(taken / 2**20, {"bytes_resident": taken}, watch.stop(), [])


class StartUp:
    """From the start of the command to its end, for a command that does nothing."""

    rounds = None
    needs_tool = False
    only = None
    name = "startup"
    title = "start-up: a sandbox that runs `true`"
    unit = "ms"
    better = "lower"
    programs = ("unshare",)
    packages = ("util-linux",)
    repetitions = STARTUP_REPETITIONS

    def measure_round(self, tools):
        """One round of all tools in turn: {name: its record, or why there is none}."""
        spec = {"repetitions": self.repetitions, "commands": {tool.name: tool.start_up() for tool in tools}}
        with Network(1500, CONGESTION) as network:
            worker = Child("start-up", network.on_host([sys.executable, STARTUP, json.dumps(spec)]))
            try:
                watch = Watch()
                line = worker.read_line(time.monotonic() + 10 + len(tools) * self.repetitions)
                usage = watch.stop()
                if line is None:
                    raise Failed(worker.complaint("no end"))
            finally:
                worker.end()
        return {name: times if isinstance(times, str) else record(
                    statistics.median(times), {"milliseconds": [round(value, 3) for value in times]}, usage, [])
                for name, times in json.loads(line).items()}


def every_row():
    rows = [Throughput(direction, mtu, streams)
            for streams in (1, 4) for mtu in (1500, 65520) for direction in ("out", "in")]
    rows += [ThreadsThroughput(direction, 1500, 4) for direction in ("out", "in")]
    rows += [Published(direction, 1500) for direction in ("out", "in")]
    rows += [Neighbours(mtu) for mtu in (1500, 65520)]
    rows += [Datagrams(direction, call) for call in ("many", "segments") for direction in ("out", "in")]
    rows += [PingPong(percentile, load) for load in (None, "out", "in") for percentile in ("50.000", "99.000")]
    rows += [StartUp(), Connections(), ThreadsConnections(), Requests(), ThreadsRequests()]
    return rows + [Memory(), Idle()]
