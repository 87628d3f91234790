#!/usr/bin/env python3
"""Finds the highest rate of UDP datagrams of which fewer than one in a thousand is lost; runs in the sandbox.

usage: udp.py SERVER PORT out|in BYTES SECONDS. Prints JSON. The rate doubles until too many are lost, or the sender
cannot send so fast; then it is halved in between a few times.
"""

import json
import subprocess
import sys
import time

FIRST = 0.25e9  # bits per second
LAST = 64e9
HALVINGS = 3
LOSS = 0.001
PROBE = 0.3  # seconds of one rate
BUSY = 2  # seconds for which the server may still be ending the probe before


def measure(argv):
    """iperf3's report of one probe. Its server takes one client at a time, and needs a moment between two."""
    deadline = time.monotonic() + BUSY
    while True:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20)
        report = json.loads(done.stdout)
        if "error" not in report:
            return report["end"]["sum"]
        if "busy" not in report["error"] or time.monotonic() > deadline:
            sys.exit(f"iperf3: {report['error']}")
        time.sleep(0.02)


def main():
    server, port, direction, size = *sys.argv[1:4], int(sys.argv[4])
    tried = []

    def probe(rate):
        """Whether the rate got through; what arrived is recorded."""
        argv = ["iperf3", "-c", server, "-p", port, "-u", "-l", str(size), "-b", str(int(rate)), "-J",
                "-k", str(int(rate * PROBE / 8 / size))] + (["-R"] if direction == "in" else [])
        found = measure(argv)
        packets, lost = found["packets"], found["lost_packets"]
        seconds = found["seconds"] or PROBE
        arrived = (packets - lost) * size * 8 / seconds
        loss = lost / packets if packets else 1.0
        tried.append({"asked": rate, "arrived": arrived, "loss": loss})
        return loss < LOSS and packets * size * 8 / seconds > 0.9 * rate

    good, rate = 0.0, FIRST
    while rate <= LAST and probe(rate):
        good, rate = rate, rate * 2
    low, high = good, rate
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if probe(middle):
            low = middle
        else:
            high = middle
    best = max((one["arrived"] for one in tried if one["loss"] < LOSS), default=0.0)
    print(json.dumps({"gigabits_per_second": best / 1e9, "probes": tried}))


if __name__ == "__main__":
    main()
