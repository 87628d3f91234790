"""What is measured: each row knows its server, its client and how to read the client's answer."""

import contextlib
import json
import os
import re
import statistics
import sys
import tempfile
import time

from lab.conditions import Watch, disturbance
from lab.network import SERVER, Network
from lab.process import Child, Failed

STARTUP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "startup.py")
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

    def client(self, seconds):
        argv = ["iperf3", "-c", SERVER, "-p", str(self.port), "-t", str(seconds), "-i", "0", "-J"]
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


class Web(Traffic):
    """wrk against nginx. A subclass says how many connections, whether they are kept, and what is read."""

    programs = ("wrk", "nginx")
    packages = ("wrk", "nginx-light")
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


class Latency(Web):
    name = "latency"
    title = "HTTP request and answer, one at a time, median"
    unit = "µs"
    better = "lower"
    connections = 1

    def pick(self, output):
        return self.microseconds(50, output), {"p99": self.microseconds(99, output)}

    @staticmethod
    def microseconds(percentile, output):
        match = re.search(rf"^\s*{percentile}%\s+([0-9.]+)(us|ms|s)$", output, re.MULTILINE)
        if match is None:
            raise Failed(f"no percentile {percentile} in: {output.strip()[-300:]!r}")
        return float(match[1]) * {"us": 1, "ms": 1e3, "s": 1e6}[match[2]]


class StartUp:
    """From the start of the command to its end, for a command that does nothing."""

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
    return rows + [StartUp(), Latency(), Connections(), Requests()]
