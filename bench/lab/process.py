"""Child processes: each bounded in time, each ended by its process id, none left behind."""

import ctypes
import os
import select
import signal
import subprocess
import tempfile
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LIBC = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """Something that was to be measured could not be; the text says what and why."""


def adopt_orphans():
    """Makes this process the parent of whatever its children leave running, so that it can end it."""
    if LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def die_with_parent():
    """In a new child: should bench/run be killed, and so be unable to clean, its children end too."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def run(argv, text=None, seconds=10):
    """Runs a short command to its end and returns its standard output."""
    try:
        done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=seconds)
    except FileNotFoundError:
        raise Failed(f"{argv[0]}: not installed") from None
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(argv)}: no end after {seconds} s") from None
    if done.returncode != 0:
        raise Failed(f"{' '.join(argv)}: {done.stderr.strip() or f'exit status {done.returncode}'}")
    return done.stdout


def descendants(root):
    """The process ids of every living descendant of `root`, children before grandchildren."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as stat:
                    state, parent = stat.read().rpartition(b")")[2].split()[:2]
            except OSError:
                continue  # it ended between the listing and the look
            if state != b"Z":
                children.setdefault(int(parent), []).append(int(entry))
    found = list(children.get(root, ()))
    for pid in found:  # grows while it is walked
        found.extend(children.get(pid, ()))
    return found


def end_descendants():
    """Ends all that this process started and that still runs: first asks, then kills."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for pid in descendants(os.getpid()):
            try:
                os.kill(pid, sign)
            except ProcessLookupError:
                pass
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            reap_orphans()
            if not descendants(os.getpid()):
                return
            time.sleep(0.005)
    raise Failed(f"processes that do not end: {descendants(os.getpid())}")


def reap_orphans():
    try:
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass
    except ChildProcessError:
        pass


class Child:
    """A program in the background, read line by line, every wait with a deadline."""

    def __init__(self, name, argv, pass_fds=()):
        self.name = name  # as complaints call it
        self.errors = tempfile.TemporaryFile()
        self.popen = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            pass_fds=pass_fds,
            preexec_fn=die_with_parent,
            start_new_session=True,  # a Ctrl-C reaches bench/run alone, which then ends things in order
        )
        self.pid = self.popen.pid
        self.pending = b""

    def say(self, line):
        try:
            self.popen.stdin.write(line.encode() + b"\n")
            self.popen.stdin.flush()
        except BrokenPipeError:
            raise Failed(self.complaint("ended early")) from None

    def read_line(self, deadline):
        """The next line without its end; None when the deadline (monotonic seconds) has passed."""
        descriptor = self.popen.stdout.fileno()
        while b"\n" not in self.pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                return None
            data = os.read(descriptor, 65536)
            if not data:
                raise Failed(self.complaint("ended early"))
            self.pending += data
        line, _, self.pending = self.pending.partition(b"\n")
        return line.decode(errors="replace")

    def read_until(self, start, seconds):
        """Lines up to one that starts with `start`: (the lines before it, that line)."""
        deadline = time.monotonic() + seconds
        lines = []
        while True:
            line = self.read_line(deadline)
            if line is None:
                raise Failed(self.complaint(f"no '{start}' within {seconds:g} s"))
            if line.startswith(start):
                return lines, line
            lines.append(line)

    def complaint(self, what):
        """`what`, with the child's name and the end of what it wrote to standard error."""
        self.errors.seek(0, os.SEEK_END)
        self.errors.seek(max(0, self.errors.tell() - 600))
        said = " | ".join(self.errors.read().decode(errors="replace").strip().splitlines()[-4:])
        return f"{self.name}: {what}" + (f" ({said})" if said else "")

    def wait(self, seconds):
        """The exit status, or None when it still runs after `seconds`."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self, patience=0.0):
        """Closes its input, gives it `patience` seconds to leave by itself, then ends it."""
        try:
            self.popen.stdin.close()
        except BrokenPipeError:
            pass
        if patience == 0 or self.wait(patience) is None:
            self.popen.terminate()
            if self.wait(2) is None:
                self.popen.kill()
                self.popen.wait()
        self.popen.stdout.close()
        self.errors.close()
