"""Whether a figure can be trusted: who else used the machine, and what the measurement itself used."""

import os
import time

TICK = os.sysconf("SC_CLK_TCK")
KTHREADD = 2

# Beyond these a figure is marked. A tenth of one core for somebody else moves a figure by about as much as
# rounds differ anyway.
FOREIGN_CORES = 0.10
STOLEN_SHARE = 0.03
SPREAD = 0.30

SECONDS = 10  # the length of a measurement that is fit to be quoted
QUIET_WAIT = 5


class Process:
    """One line of /proc/PID/stat: processor time in seconds, with and without that of children it has waited for."""

    def __init__(self, pid):
        with open(f"/proc/{pid}/stat", "rb") as stat:
            head, _, tail = stat.read().rpartition(b")")
        fields = tail.split()
        self.name = head.partition(b"(")[2].decode(errors="replace")
        self.parent = int(fields[1])
        self.own = (int(fields[11]) + int(fields[12])) / TICK
        self.with_children = self.own + (int(fields[13]) + int(fields[14])) / TICK


def processes():
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                found[int(entry)] = Process(entry)
            except OSError:
                pass  # it ended meanwhile; its time is now in its parent's sum
    return found


def family(root, every):
    """`root` and its descendants, also those that have ended and wait to be waited for."""
    children = {}
    for pid, process in every.items():
        children.setdefault(process.parent, []).append(pid)
    found = [root]
    for pid in found:  # grows while it is walked
        found.extend(children.get(pid, ()))
    return found


def memory_of(program):
    """Resident bytes of our processes called `program`; what several share counts once (smaps_rollup of proc(5))."""
    total = 0
    every = processes()
    for pid in family(os.getpid(), every):
        if not every[pid].name.startswith(program):
            continue
        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            total += sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:")) * 1024
    return total


def machine_times():
    """Seconds of all cores since boot: (busy, stolen by the hypervisor)."""
    with open("/proc/stat") as stat:
        user, nice, system, _, _, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    return (user + nice + system + irq + softirq) / TICK, steal / TICK


def network_of(pid):
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:
        return None


class Watch:
    """Processor time between start and stop, told apart: the tool's, everybody else's, the whole machine's.

    The tool's processes are those of ours that live in the network namespace with inode number `network`.
    """

    def __init__(self, network=None):
        self.network = network
        self.start = self.now()

    def now(self):
        every = processes()
        ours = set(family(os.getpid(), every))
        tool = [every[pid].with_children for pid in ours
                if self.network is not None and network_of(pid) == self.network]
        foreign = {pid: process for pid, process in every.items()
                   if pid not in ours and pid != KTHREADD and process.parent != KTHREADD}
        return time.monotonic(), machine_times(), sum(tool), foreign

    def stop(self):
        """The figures of the time since the start, as a dictionary for the record."""
        then, (busy, steal), tool, foreign = self.start
        now, (busy_now, steal_now), tool_now, foreign_now = self.now()
        wall = now - then
        # The sum over all processes, with the children they have waited for, grows only by what is used.
        used = sum(p.with_children for p in foreign_now.values()) - sum(p.with_children for p in foreign.values())
        hot = sorted(((p.own - (foreign[pid].own if pid in foreign else 0), p.name)
                      for pid, p in foreign_now.items()), reverse=True)
        return {
            "wall_seconds": round(wall, 3),
            "machine_cpu_seconds": round(busy_now - busy, 3),
            "tool_cpu_seconds": round(tool_now - tool, 3),
            "foreign_cores": round(max(0.0, used) / wall, 3),
            "foreign_names": sorted({name for seconds, name in hot[:3] if seconds > 0}),
            "stolen_share": round((steal_now - steal) / wall / os.cpu_count(), 3),
        }


def disturbance(usage):
    """Why what was measured meanwhile is not to be trusted; None when nothing speaks against it."""
    if usage["foreign_cores"] > FOREIGN_CORES:
        return f"others used {usage['foreign_cores']:.2f} cores ({', '.join(usage['foreign_names']) or 'ended since'})"
    if usage["stolen_share"] > STOLEN_SHARE:
        return f"the hypervisor took {usage['stolen_share']:.0%} of the processor time"
    return None


def machine():
    """What a reader needs to know about the machine."""
    model = "unknown"
    with open("/proc/cpuinfo") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {"cores": os.cpu_count(), "processor": model, "kernel": os.uname().release}


def before():
    """Waits, at most QUIET_WAIT seconds, for a second in which nobody else works: (record, list of complaints)."""
    load = os.getloadavg()
    for _ in range(QUIET_WAIT):
        watch = Watch()
        time.sleep(1)
        usage = watch.stop()
        trouble = disturbance(usage)
        if trouble is None:
            break
    record = {"load_average": [round(value, 2) for value in load], **usage}
    if trouble is None:
        return record, []
    return record, [f"the machine was not quiet: {trouble} in the second before the first measurement"]
