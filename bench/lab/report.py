"""From measurements to a table, a JSON file and the README's table."""

import json
import os
import re
import statistics

from lab.conditions import SECONDS, SPREAD
from lab.process import Failed

BEGIN = "<!-- bench:begin -->"
END = "<!-- bench:end -->"
PEERS = ("slirp4netns", "pasta")


def number(value):
    """Two or three significant digits, without an exponent."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


class Cell:
    """One tool in one row."""

    def __init__(self, missing=None, by_nature=False):
        self.missing = missing
        self.by_nature = by_nature  # there can be no figure here
        self.measurements = []
        self.failures = []

    def add(self, result):
        """A record, or the text of a failure."""
        (self.failures if isinstance(result, str) else self.measurements).append(result)

    @property
    def values(self):
        return [measurement["value"] for measurement in self.measurements]

    @property
    def median(self):
        return statistics.median(self.values) if self.measurements else None

    @property
    def spread(self):
        """The distance from the lowest to the highest as a share of the median."""
        return (max(self.values) - min(self.values)) / self.median if self.median else None

    @property
    def cpu_per_gigabyte(self):
        """Processor seconds of the tool, then of the whole machine, per 10^9 bytes that arrived."""
        gigabytes = sum(m["details"].get("bytes", 0) for m in self.measurements) / 1e9
        if gigabytes == 0:
            return None, None
        return tuple(sum(m["usage"][key] for m in self.measurements) / gigabytes
                     for key in ("tool_cpu_seconds", "machine_cpu_seconds"))

    def doubts(self):
        """Why the median is not to be trusted; empty when nothing speaks against it."""
        count = len(self.measurements) + len(self.failures)
        found = {}
        for measurement in self.measurements:
            for doubt in measurement["doubts"]:
                found.setdefault(re.sub(r"\(.*\)|[0-9.]+", "", doubt), []).append(doubt)
        texts = [f"{len(doubts)} of {count} rounds: {doubts[0]}" for doubts in found.values()]
        texts += [f"{len(self.failures)} of {count} rounds failed: {self.failures[0]}"] if self.failures else []
        if self.median and self.spread > SPREAD:
            texts.append(f"the rounds differ by {self.spread:.0%} of the median")
        return texts


class Report:
    """Everything a run has found: `cells[row name][tool name]`."""

    def __init__(self, command, rows, tools, settings, machine):
        self.command, self.rows, self.tools = command, rows, tools
        self.settings, self.machine = settings, machine
        self.before, self.warnings = None, []
        self.cells = {row.name: {} for row in rows}

    def ratio(self, row, tool, others):
        """The tool's median by the best median of the others; None without either."""
        cells = self.cells[row.name]
        medians = [cells[name].median for name in others if name in cells and cells[name].median]
        mine = cells[tool].median if tool in cells else None
        if mine is None or not medians:
            return None
        return mine / (max(medians) if row.better == "higher" else min(medians))

    def general_doubts(self):
        return list(self.warnings) + self.rehearsal()

    def rehearsal(self):
        """Short measurements see little but how a connection begins. (The start-up has no length.)"""
        if self.settings["seconds"] >= SECONDS or all(row.name == "startup" for row in self.rows):
            return []
        return [f"{self.settings['seconds']} s per measurement is a rehearsal; "
                f"figures to quote take {SECONDS} s (--full)"]

    def failed(self):
        return any(cell.failures for cells in self.cells.values() for cell in cells.values())

    # The table for a terminal.

    def text(self):
        parts = [self.text_of_row(row) for row in self.rows]
        doubts = self.general_doubts()
        if doubts:
            parts.append("Not to be quoted:\n" + "\n".join(f"  {text}" for text in doubts))
        return "\n\n".join(parts)

    def text_of_row(self, row):
        heading = f"{row.name}: {row.title} ({row.unit}, {row.better} is better)"
        form = "  {:<12}{:>9}{:>9}{:>9}{:>8}{:>10}{:>13}{:>11}{:>14}  {}"
        bulk = any(cell.cpu_per_gigabyte[1] for cell in self.cells[row.name].values())
        head = form.format("", "median", "lowest", "highest", "spread", "/ kernel", "/ best peer",
                           "tool s/GB" if bulk else "", "machine s/GB" if bulk else "", "")
        lines, notes = [heading, head.rstrip()], []
        for tool in self.tools:
            cell = self.cells[row.name][tool.name]
            if cell.median is None:
                why = cell.missing or (cell.failures[0] if cell.failures else "no round was made")
                lines.append(f"  {tool.name:<12} not measured: {why}")
                continue
            doubts = cell.doubts()
            notes += [f"    ? {tool.name}: {text}" for text in doubts]
            used = cell.cpu_per_gigabyte
            lines.append(form.format(
                tool.name, number(cell.median), number(min(cell.values)), number(max(cell.values)),
                "-" if cell.spread is None else f"{cell.spread:.0%}", number(self.ratio(row, tool.name, ["direct"])),
                number(self.ratio(row, tool.name, [name for name in PEERS if name != tool.name])),
                number(used[0]) if bulk and tool.name != "direct" else "", number(used[1]) if bulk else "",
                "?" if doubts else "").rstrip())
        return "\n".join(lines + notes)

    # The record for a program.

    def json(self):
        return {
            "schema": 1,
            "command": self.command,
            "settings": self.settings,
            "machine": self.machine,
            "before": self.before,
            "doubts": self.general_doubts(),
            "rows": [self.json_of_row(row) for row in self.rows],
        }

    def json_of_row(self, row):
        tools = {}
        for name, cell in self.cells[row.name].items():
            tool, machine = cell.cpu_per_gigabyte
            tools[name] = {
                "missing": cell.missing,
                "median": cell.median,
                "lowest": min(cell.values, default=None),
                "highest": max(cell.values, default=None),
                "spread": cell.spread if cell.measurements else None,
                "ratio_to_direct": self.ratio(row, name, ["direct"]),
                "ratio_to_best_peer": self.ratio(row, name, [peer for peer in PEERS if peer != name]),
                "tool_cpu_seconds_per_gigabyte": None if name == "direct" else tool,
                "machine_cpu_seconds_per_gigabyte": machine,
                "doubts": cell.doubts(),
                "failures": cell.failures,
                "measurements": cell.measurements,
            }
        return {"name": row.name, "title": row.title, "unit": row.unit, "better": row.better, "tools": tools}

    def write_json(self, path):
        with open(path, "w") as file:
            json.dump(self.json(), file, indent=1)
            file.write("\n")

    # The table for the README.

    def unfit(self):
        """Why such a run is not for the README, known before it begins; None when it is."""
        absent = {"direct", "cothon", *PEERS} - {tool.name for tool in self.tools}
        reasons = [f"--tools leaves out {name}" for name in sorted(absent)]
        reasons += [f"{tool.name} is not measured: {tool.missing()}" for tool in self.tools if tool.missing()]
        return "; ".join(reasons + self.rehearsal()) or None

    def gaps(self):
        """The figures that the run should have found and has not."""
        return [f"{row.name} of {name}: {(cell.failures or [cell.missing])[0]}" for row in self.rows
                for name, cell in self.cells[row.name].items() if cell.median is None and not cell.by_nature]

    def markdown(self):
        versions = ", ".join(tool.version() for tool in self.tools if tool.name != "cothon")
        head = ["", *(tool.title for tool in self.tools), "cothon / kernel", "cothon / best peer"]
        lines = [
            f"Medians of {self.settings['rounds']} interleaved rounds of {self.settings['seconds']} s on "
            f"{self.machine['cores']} cores; {versions}. `{self.command}` measures them again.",
            "",
            "| " + " | ".join(head) + " |",
            "|---|" + "---:|" * (len(head) - 1),
        ]
        notes = list(self.warnings)
        for row in self.rows:
            figures = []
            for tool in self.tools:
                cell = self.cells[row.name][tool.name]
                doubts = cell.doubts()
                notes += [f"{row.title}, {tool.title}: {'; '.join(doubts)}"] if doubts else []
                figures.append(number(cell.median) + ("?" if doubts else ""))
            ratios = [number(self.ratio(row, "cothon", others)) for others in (["direct"], PEERS)]
            label = f"{row.title}, {row.unit}" + ("" if row.better == "higher" else " (lower is better)")
            lines.append("| " + " | ".join([label, *figures, *ratios]) + " |")
        if any(row.name == "startup" for row in self.rows):
            lines += ["", "The kernel's column of the start-up is `unshare -Urn true`."]
        if notes:
            # Which programs disturbed is nobody's business but that of who runs it: it stays in the record.
            plain = (re.sub(r" \([^)]*\)", "", note) for note in notes)
            lines += ["", "Not to be trusted (`?` in the table):", "", *(f"- {note}" for note in plain)]
        return "\n".join(lines)

    def write_readme(self, path):
        """Replaces what stands between the two markers."""
        gaps = self.gaps()
        if gaps:
            raise Failed(f"{path} stays as it is: {'; '.join(gaps)}")
        head, tail = split_readme(path)
        temporary = path + ".new"
        with open(temporary, "w") as file:
            file.write(f"{head}{BEGIN}\n{self.markdown()}\n{END}{tail}")
        os.replace(temporary, path)


def split_readme(path):
    """The text before the first marker and the text behind the second."""
    try:
        with open(path) as file:
            text = file.read()
    except OSError as error:
        raise Failed(f"{path}: {error.strerror}") from None
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise Failed(f"{path} has no lines '{BEGIN}' and '{END}' to put the table between")
    return head, tail
