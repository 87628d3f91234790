// SPDX-License-Identifier: MIT
// What the page computes from the sandbox's answers; it touches no document.

export const HISTORY = 300;

export function endpoint(end, name) {
	if (!end) return "*";
	const host = name || end.address;
	return (host.includes(":") ? `[${host}]` : host) + (end.port ? `:${end.port}` : "");
}

// "1.2 MB": three digits or so.
export function scale(number, units) {
	let unit = 0;
	for (; number >= 999.5 && unit < units.length - 1; unit++) number /= 1000;
	return `${number.toFixed(unit > 0 && number < 99.95 ? 1 : 0)} ${units[unit]}`;
}

export const bytes = (number) => scale(number, ["B", "kB", "MB", "GB", "TB"]);
export const rate = (number) => number < 0.5 ? "-" : scale(number, ["B/s", "kB/s", "MB/s", "GB/s"]);

export function delay(seconds) {
	if (!seconds) return "";
	if (seconds < 999.5e-6) return `${(seconds * 1e6).toFixed(0)} µs`;
	if (seconds < 0.9995) return `${(seconds * 1e3).toFixed(seconds < 0.09995 ? 1 : 0)} ms`;
	return `${seconds.toFixed(1)} s`;
}

export function application(item) {
	const apps = item && item.applications || [];
	if (!apps.length) return "";
	return `${apps[0].command} (${apps[0].pid})${apps.length > 1 ? ` +${apps.length - 1}` : ""}`;
}

// For UDP and echo the end inside is enough.
export function key(flow) {
	const remote = flow.transport === "tcp" ? endpoint(flow.remote) : "";
	return `${flow.transport} ${endpoint(flow.local)} ${remote}`;
}

export function portClass(port) {
	return port < 1024 ? "system" : port < 49152 ? "user" : "dynamic";
}

export class Model {
	constructor() {
		this.flows = new Map();
		this.bindings = [];
		this.owners = new Map();
		this.history = [];
		this.last = null;
		this.strangers = 0;
	}

	takePorts(answer) {
		this.bindings = answer.bindings;
		this.owners = new Map(answer.flows.map((flow) => [key(flow), flow]));
	}

	takeFlows(answer) {
		const seconds = this.last ? answer.now - this.last.now : 0;
		const before = this.flows;
		const all = answer.flows.concat([...this.owners.values()].filter((flow) => flow.through === "inside"));

		this.flows = new Map();
		this.strangers = 0;
		for (const flow of all) {
			const id = key(flow), old = before.get(id), owner = this.owners.get(id);
			const same = seconds > 0 && old && old.flow.opened === flow.opened;
			const far = flow.remote || owner && owner.remote;

			this.strangers += owner ? 0 : 1;
			this.flows.set(id, {
				id, flow,
				application: application(owner),
				local: endpoint(flow.local),
				remote: endpoint(far, flow.name),
				arrow: flow.through === "inside" ? "—" : flow.published ? "←" : "→",
				service: flow.service || "",
				state: flow.state || flow.transport,
				in: same ? Math.max(0, flow.bytes_in - old.flow.bytes_in) / seconds : 0,
				out: same ? Math.max(0, flow.bytes_out - old.flow.bytes_out) / seconds : 0,
				bytes: flow.bytes_in + flow.bytes_out,
				delay: flow.round_trip || 0,
			});
		}
		if (seconds > 0) this.remember(answer, seconds);
		this.last = answer;
	}

	remember(answer, seconds) {
		const delays = answer.flows.map((flow) => flow.round_trip).filter(Boolean).sort((a, b) => a - b);
		this.history.push({
			in: (answer.totals.bytes_in - this.last.totals.bytes_in) / seconds,
			out: (answer.totals.bytes_out - this.last.totals.bytes_out) / seconds,
			middle: delays[delays.length >> 1] || 0,
			most: delays[delays.length - 1] || 0,
		});
		if (this.history.length > HISTORY) this.history.shift();
	}

	// Port to {bindings, flows}, of those that are in use.
	ports() {
		const ports = new Map();
		const at = (port) => {
			if (!ports.has(port)) ports.set(port, {bindings: [], flows: []});
			return ports.get(port);
		};

		for (const binding of this.bindings) at(binding.port).bindings.push(binding);
		for (const row of this.flows.values())
			if (row.flow.transport !== "echo") at(row.flow.local.port).flows.push(row);
		return ports;
	}

	rows(filter, sort, ascending) {
		const wanted = filter.trim().toLowerCase();
		const rows = [...this.flows.values()].filter((row) => !wanted ||
			`${row.application} ${row.flow.transport} ${row.local} ${row.remote} ${row.service} ${row.state}`.toLowerCase().includes(wanted));
		const order = (a, b) => typeof a[sort] === "number" ? b[sort] - a[sort] : b[sort].localeCompare(a[sort]);

		return rows.sort((a, b) => (ascending ? -1 : 1) * order(a, b) || a.id.localeCompare(b.id));
	}
}

export function describePort(port, used) {
	const kind = portClass(port);
	if (!used) return `${port}: free (${kind})`;
	const held = used.bindings.map((binding) =>
		`${binding.transport} ${binding.service || ""} on ${binding.dual_stack ? "all addresses" : binding.address}, ${application(binding) || "nobody"}`.replace(/ +/g, " "));
	const flows = used.flows.slice(0, 3).map((row) =>
		`${row.flow.transport} ${row.arrow} ${row.remote}${row.application ? `, ${row.application}` : ""}`);
	if (used.flows.length > 3) flows.push(`and ${used.flows.length - 3} more flows`);
	return `${port} (${kind}): ${held.concat(flows).join("; ")}`;
}
