#!/usr/bin/env python3
"""Times how long commands take from start to end, one of each in turn; runs in the namespace *host*.

usage: startup.py SPEC, where SPEC is JSON:
{"repetitions": N, "commands": {NAME: {"command": [...]} | {"attach": [...]}}}.
Prints JSON: {NAME: [milliseconds, ...]}, or a text that says why instead of the list. "attach" is the command line
of slirp4netns without its last arguments: a sandbox is made first, the tool attached to it, and then the sandbox
runs `true`; the end is the end of that `true`.
"""

import json
import os
import shutil
import signal
import sys
import time

# The interpreter ignores these two; a program must not inherit that (pasta refuses to start).
DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ)
SECONDS = 5  # a start-up that takes longer has failed


class NoTime(Exception):
    """A command that failed has no time; the text says how it failed."""


def too_long(*_):
    raise NoTime(f"no end after {SECONDS} s")


def start(argv, errors, descriptors=()):
    """Starts a program with its output in `errors`; `descriptors` are pairs (ours, its)."""
    actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
               (os.POSIX_SPAWN_DUP2, errors, 1), (os.POSIX_SPAWN_DUP2, errors, 2)]
    actions += [(os.POSIX_SPAWN_DUP2, ours, its) for ours, its in descriptors]
    return os.posix_spawn(shutil.which(argv[0]), argv, os.environ, file_actions=actions, setsigdef=DEFAULT_SIGNALS)


def end_of(pid, argv, errors):
    """Waits for `pid`, which must succeed."""
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status != 0:
        os.lseek(errors, 0, os.SEEK_SET)
        said = os.read(errors, 65536).decode(errors="replace").strip().splitlines()[-4:]
        raise NoTime(f"{argv[0]}: exit status {status} ({' | '.join(said)})")


def time_command(argv, errors):
    begin = time.perf_counter_ns()
    end_of(start(argv, errors), argv, errors)
    return (time.perf_counter_ns() - begin) / 1e6


def time_attached(tool, errors):
    """slirp4netns has no command of its own: a sandbox that waits, the tool, then `true` in the sandbox."""
    made, made_writer = os.pipe()
    gate, gate_writer = os.pipe()
    ready, ready_writer = os.pipe()
    leave, leave_writer = os.pipe()  # the tool ends when its end of this one hangs up
    waiting = ["unshare", "-Urn", "sh", "-c", "echo; read -r _; exec true"]

    begin = time.perf_counter_ns()
    sandbox = start(waiting, errors, [(gate, 0), (made_writer, 1)])
    os.close(made_writer)
    os.read(made, 1)
    argv = tool + ["--ready-fd=20", "--exit-fd=21", str(sandbox), "tap0"]
    attached = start(argv, errors, [(ready_writer, 20), (leave, 21)])
    os.close(ready_writer)
    os.read(ready, 1)
    os.write(gate_writer, b"\n")
    end_of(sandbox, waiting, errors)
    elapsed = (time.perf_counter_ns() - begin) / 1e6

    os.close(leave_writer)
    end_of(attached, argv, errors)
    for descriptor in (made, gate, gate_writer, ready, leave):
        os.close(descriptor)
    return elapsed


def main():
    spec = json.loads(sys.argv[1])
    signal.signal(signal.SIGALRM, too_long)
    errors = os.memfd_create("errors")
    times = {name: [] for name in spec["commands"]}
    for _ in range(spec["repetitions"]):
        for name, how in spec["commands"].items():
            if isinstance(times[name], str):
                continue
            os.ftruncate(errors, 0)
            os.lseek(errors, 0, os.SEEK_SET)
            one = time_command if "command" in how else time_attached
            signal.alarm(SECONDS)
            try:
                times[name].append(one(next(iter(how.values())), errors))
            except NoTime as reason:
                times[name] = f"start-up of {name}: {reason}"  # bench/run ends what still runs of it
            finally:
                signal.alarm(0)
    print(json.dumps(times))


if __name__ == "__main__":
    main()
