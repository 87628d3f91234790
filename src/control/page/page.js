// SPDX-License-Identifier: MIT
import {Model, HISTORY, bytes, delay, describePort, rate} from "./model.js";

const ROWS = 500;           // of the table; a filter finds the others
const LOG = 300;            // denials kept
const PORTS_EVERY = 4;      // looks; sooner when there are flows of nobody known
const SIDE = 1024, CELL = 4; // of the map's canvas

const $ = (id) => document.getElementById(id);
const model = new Model();
let sort = "", ascending = false, paused = false, looks = PORTS_EVERY, fromDenial = 0;
let used = new Map(), cursor = 443, pointed = null;

// --- the token: behind the #, out of sight and out of the history as soon as it was read ---

function takeToken() {
	const given = location.hash.slice(1);
	if (/^[A-Za-z0-9_-]{32,96}$/.test(given)) {
		sessionStorage.setItem("token", given);
		history.replaceState(null, "", location.pathname);
	}
	return sessionStorage.getItem("token") || "";
}
const token = takeToken();

class Refused extends Error {}

async function ask(path, method = "GET", body) {
	const answer = await fetch(path, {
		method, headers: {Authorization: `Bearer ${token}`},
		body: body && JSON.stringify(body),
	});
	const json = await answer.json();
	if (!answer.ok) throw new Refused(json.error + (json.hint ? `: ${json.hint}` : ""));
	return json;
}

function element(name, text, properties = {}) {
	const made = Object.assign(document.createElement(name), properties);
	if (text !== undefined) made.textContent = text;
	return made;
}

// Sets text only where it is another, so that nothing that is selected or read out is disturbed.
function write(node, text) {
	if (node.textContent !== text) node.textContent = text;
}

// --- the map ---

let colours = {};
function readColours() {
	const style = getComputedStyle(document.documentElement);
	for (const name of ["system", "user", "dynamic", "held", "live", "text", "soft", "line", "in", "out", "card"])
		colours[name] = style.getPropertyValue(`--${name}`).trim();
}

function spot(context, port, radius) {
	context.beginPath();
	context.arc((port % 256) * CELL + CELL / 2, (port >> 8) * CELL + CELL / 2, radius, 0, 2 * Math.PI);
}

function drawMap() {
	const context = $("map").getContext("2d");
	const shown = pointed ?? (document.activeElement === $("map") ? cursor : null);

	for (const [name, from, to] of [["system", 0, 4], ["user", 4, 192], ["dynamic", 192, 256]]) {
		context.fillStyle = colours[name];
		context.fillRect(0, from * CELL, SIDE, (to - from) * CELL);
	}
	context.fillStyle = colours.soft;
	context.font = "22px system-ui, sans-serif";
	context.fillText("user, from 1024", 12, 4 * CELL + 28);
	context.fillText("dynamic, from 49152", 12, 192 * CELL + 28);
	for (const [port, what] of used) {
		const colour = what.flows.length ? colours.live : colours.held;
		context.globalAlpha = 0.25;
		context.fillStyle = colour;
		spot(context, port, what.flows.length ? 15 : 12);
		context.fill();
		context.globalAlpha = 1;
		spot(context, port, 6);
		context.fill();
		if (what.bindings.length && what.flows.length) {
			context.fillStyle = colours.held;
			spot(context, port, 3);
			context.fill();
		}
	}
	if (shown !== null) {
		context.strokeStyle = colours.text;
		context.lineWidth = 3;
		spot(context, shown, 12);
		context.stroke();
		write($("port"), describePort(shown, used.get(shown)));
	}
}

function portAt(event) {
	const box = $("map").getBoundingClientRect();
	const x = Math.min(255, Math.max(0, Math.floor((event.clientX - box.left) / box.width * 256)));
	const y = Math.min(255, Math.max(0, Math.floor((event.clientY - box.top) / box.height * 256)));
	let best = y * 256 + x, nearest = 17;

	// A port in use is larger than its place.
	for (const port of used.keys()) {
		const distance = (port % 256 - x) ** 2 + ((port >> 8) - y) ** 2;
		if (distance < nearest) [best, nearest] = [port, distance];
	}
	return best;
}

function nextUsed(direction) {
	const ports = [...used.keys()].sort((a, b) => a - b);
	if (!ports.length) return cursor;
	return direction > 0 ? ports.find((port) => port > cursor) ?? ports[0]
		: ports.reverse().find((port) => port < cursor) ?? ports[0];
}

function mapKey(event) {
	const steps = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -256, ArrowDown: 256};
	if (event.key in steps) cursor = (cursor + steps[event.key] + 65536) % 65536;
	else if (event.key === "PageDown") cursor = nextUsed(1);
	else if (event.key === "PageUp") cursor = nextUsed(-1);
	else if (event.key === "Home") cursor = 0;
	else if (event.key === "End") cursor = 65535;
	else return;
	event.preventDefault();
	pointed = null;
	drawMap();
}

// --- plots ---

function drawPlot(canvas, lines, label) {
	const ratio = devicePixelRatio || 1, width = canvas.clientWidth;
	const height = Number(canvas.getAttribute("data-height") || canvas.getAttribute("height"));
	const context = canvas.getContext("2d");
	const most = Math.max(...lines.flatMap(([name]) => model.history.map((point) => point[name])), 0);

	canvas.setAttribute("data-height", height);
	canvas.style.height = `${height}px`;
	canvas.width = width * ratio;
	canvas.height = height * ratio;
	context.scale(ratio, ratio);
	context.strokeStyle = colours.line;
	context.fillStyle = colours.soft;
	context.font = "11px system-ui, sans-serif";
	for (const part of [0, 0.5, 1]) {
		const y = 14 + (height - 20) * (1 - part);
		context.beginPath();
		context.moveTo(0, y);
		context.lineTo(width, y);
		context.stroke();
		if (most > 0 && part > 0) context.fillText(label(most * part), 4, y - 3);
	}
	for (const [name, colour] of lines) {
		context.beginPath();
		model.history.forEach((point, i) => {
			const x = width * (HISTORY - model.history.length + i) / (HISTORY - 1);
			const y = 14 + (height - 20) * (1 - (most ? point[name] / most : 0));
			if (i) context.lineTo(x, y); else context.moveTo(x, y);
		});
		context.strokeStyle = colours[colour];
		context.lineWidth = 1.75;
		context.stroke();
		context.lineWidth = 1;
	}
}

function drawPlots() {
	const now = model.history[model.history.length - 1];
	drawPlot($("throughput"), [["in", "in"], ["out", "out"]], rate);
	drawPlot($("delay"), [["middle", "in"], ["most", "out"]], delay);
	if (!now) return;
	write($("throughput-now"), `in ${rate(now.in)}, out ${rate(now.out)}`);
	write($("delay-now"), now.middle ? `${delay(now.middle)}, slowest ${delay(now.most)}` : "no flow tells one");
	$("throughput").setAttribute("aria-label", `Throughput: ${$("throughput-now").textContent}`);
	$("delay").setAttribute("aria-label", `Round trip: ${$("delay-now").textContent}`);
}

// --- the table ---

const body = document.querySelector("#flow-table tbody");
const drawn = new Map();

function makeRow(row) {
	const made = element("tr");
	for (let i = 0; i < 9; i++) made.append(element("td", undefined, {className: i > 4 ? "number" : ""}));
	const cell = element("td");
	if (row.flow.through === "gateway") {
		const button = element("button", "End", {type: "button"});
		button.setAttribute("aria-label", `End the flow to ${row.remote}`);
		button.addEventListener("click", () => endFlow(drawn.get(row.id).row));
		cell.append(button);
	}
	made.append(cell);
	return made;
}

function drawTable() {
	const rows = model.rows($("filter").value, sort, ascending);
	const shown = rows.slice(0, ROWS), kept = new Set(shown.map((row) => row.id));

	for (const [id, {node}] of drawn) {
		if (kept.has(id)) continue;
		node.remove();
		drawn.delete(id);
	}
	shown.forEach((row, i) => {
		const node = drawn.get(row.id)?.node ?? makeRow(row);
		const texts = [row.application || "-", `${row.flow.transport} ${row.local}`, `${row.arrow} ${row.remote}`,
			row.service, row.state, rate(row.in), rate(row.out), bytes(row.bytes), delay(row.delay)];
		texts.forEach((text, at) => write(node.children[at], text));
		drawn.set(row.id, {row, node});
		// What has the focus is not moved from under it.
		if (body.children[i] !== node && !(node.isConnected && body.contains(document.activeElement)))
			body.insertBefore(node, body.children[i] ?? null);
	});
	write($("flow-count"), rows.length > ROWS ? `${ROWS} of ${rows.length} flows: a filter shows the others`
		: `${rows.length} ${rows.length === 1 ? "flow" : "flows"}`);
}

function sortBy(name) {
	ascending = sort === name ? !ascending : ["application", "local", "remote", "service", "state"].includes(name);
	sort = name;
	for (const button of document.querySelectorAll("th button")) {
		const head = button.parentElement;
		if (button.dataset.sort === sort) head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
		else head.removeAttribute("aria-sort");
	}
	drawTable();
}

async function endFlow(row) {
	const {transport, local, remote} = row.flow;
	await attempt("flow-error", () => ask("/v1/flows", "DELETE", {flows: [{transport, local, remote}]}));
	look();
}

// --- publishing and rules ---

// Does what a person asked for, and shows why it was not to be. Returns whether it was.
async function attempt(place, action) {
	try {
		await action();
		write($(place), "");
		return true;
	} catch (error) {
		write($(place), error instanceof Refused ? error.message : "the sandbox does not answer");
		return false;
	}
}

function fill(list, items, describe, remove) {
	const wanted = JSON.stringify(items);
	if (list.dataset.shown === wanted) return;
	list.dataset.shown = wanted;
	list.replaceChildren(...items.map((item) => {
		const line = element("li"), text = element("span", describe(item).text);
		const button = element("button", "Remove", {type: "button"});
		if (describe(item).note) text.append(element("small", ` ${describe(item).note}`));
		button.setAttribute("aria-label", `Remove ${describe(item).text}`);
		button.addEventListener("click", () => remove(item));
		line.append(text, button);
		return line;
	}));
}

function describePublication(item) {
	const ports = (first) => item.count > 1 ? `${first}-${first + item.count - 1}` : `${first}`;
	return {text: `${item.address ? `${item.address}:` : ""}${ports(item.outside)} → ${ports(item.inside)}/${item.transport}`};
}

async function lookAtPublications() {
	const {publications} = await ask("/v1/publications");
	fill($("publications"), publications, describePublication, async (item) => {
		await attempt("publish-error", () => ask("/v1/publications", "DELETE", {publications: [item]}));
		lookAtPublications();
	});
}

let oddities = [];
async function lookAtRules() {
	const {rules} = await ask("/v1/rules");
	const named = (rule) => `${rule.allow ? "allow" : "deny"} ${rule.rule}`;
	$("rules-none").hidden = rules.length > 0;
	fill($("rules"), rules, (rule) => {
		const odd = oddities.find((oddity) => oddity.text === named(rule));
		return {text: named(rule), note: odd ? `(${odd.why})` : ""};
	}, async (rule) => {
		await attempt("rule-error", () => ask("/v1/rules", "POST", {remove: [rule]}));
		lookAtRules();
	});
}

function noteOddities(answer) {
	const named = (rule) => `${rule.allow ? "allow" : "deny"} ${rule.rule}`;
	oddities = answer.oddities.map((odd) => ({
		text: named(answer.rules[odd.index]),
		why: odd.by === null ? "no rule can open it" : `${odd.oddity === "twice" ? "the same as" : "hidden by"} ${named(answer.rules[odd.by])}`,
	}));
	delete $("rules").dataset.shown;
}

async function publish(event) {
	event.preventDefault();
	const form = event.target, address = form.address.value.trim();
	const publication = {
		outside: Number(form.outside.value), inside: Number(form.inside.value),
		transport: form.transport.value, ...(address && {address}),
	};
	if (await attempt("publish-error", () => ask("/v1/publications", "POST", {publications: [publication]}))) form.reset();
	lookAtPublications();
}

async function addRule(event) {
	event.preventDefault();
	const form = event.target;
	const rule = {allow: form.allow.value === "true", rule: form.rule.value.trim()};
	const added = await attempt("rule-error", async () => noteOddities(await ask("/v1/rules", "POST", {add: [rule]})));
	if (added) form.rule.value = "";
	lookAtRules();
}

// --- denials ---

const reasons = {rule: "denied by ", none: "no rule allows it", nature: "closed to every sandbox unless a rule names it", rebinding: "the name has only addresses that are closed"};

// What is the same as the newest line is counted there.
function noteDenial(log, at, text) {
	let line = log.firstChild;

	if (line?.dataset.text === text) {
		line.dataset.times = Number(line.dataset.times) + 1;
	} else {
		line = element("li");
		line.dataset.text = text;
		line.dataset.times = 1;
		log.prepend(line);
	}
	line.replaceChildren(element("time", new Date(at).toLocaleTimeString(), {dateTime: at}),
		text + (line.dataset.times > 1 ? ` (${line.dataset.times} times)` : ""));
}

async function lookAtDenials() {
	const {denials, next} = await ask(`/v1/denials?from=${fromDenial}`);
	const log = $("denials");

	fromDenial = next;
	for (const denial of denials) {
		const to = denial.query ? `a query for ${denial.name}` :
			`${denial.transport} to ${denial.name || denial.destination?.address}${denial.destination?.port ? `:${denial.destination.port}` : ""}`;
		const why = reasons[denial.by] + (denial.by === "rule" ? denial.rule?.rule ?? denial.rule : "");
		noteDenial(log, denial.at, `${to}: ${why}`);
	}
	while (log.children.length > LOG) log.lastChild.remove();
	$("denials-none").hidden = log.children.length > 0;
}

// --- looking, once a second ---

function draw() {
	const totals = model.last.totals, now = model.history[model.history.length - 1];
	used = model.ports();
	write($("total-in"), now ? rate(now.in) : "-");
	write($("total-out"), now ? rate(now.out) : "-");
	write($("total-flows"), String(model.flows.size));
	write($("total-denied"), String(totals.denied));
	write($("total-retransmits"), String(totals.retransmits));
	drawMap();
	drawPlots();
	drawTable();
}

async function look() {
	if (++looks > PORTS_EVERY || (model.strangers && looks > 1)) {
		model.takePorts(await ask("/v1/ports"));
		await lookAtPublications();
		await lookAtRules();
		looks = 0;
	}
	model.takeFlows(await ask("/v1/flows"));
	await lookAtDenials();
	draw();
}

function say(text, lost) {
	write($("state"), text);
	$("state").classList.toggle("lost", lost);
}

async function watch() {
	const begun = performance.now();
	if (!paused) {
		try {
			await look();
			say("live", false);
		} catch (error) {
			say(error instanceof Refused ? error.message : "gone: the sandbox, or cothon web, has ended", true);
		}
	}
	setTimeout(watch, Math.max(document.hidden ? 5000 : 100, 1000 - (performance.now() - begun)));
}

async function introduce() {
	try {
		const sandbox = await ask("/v1/sandbox");
		document.title = `${sandbox.name} - cothon`;
		write($("name"), sandbox.name);
		write($("command"), sandbox.command.join(" ").slice(0, 80));
	} catch {
		// watch() says what is wrong, again and again.
	}
}

$("map").addEventListener("pointermove", (event) => { pointed = portAt(event); drawMap(); });
$("map").addEventListener("pointerdown", (event) => { cursor = pointed = portAt(event); drawMap(); });
$("map").addEventListener("pointerleave", () => { pointed = null; drawMap(); });
$("map").addEventListener("keydown", mapKey);
$("map").addEventListener("focus", drawMap);
$("map").addEventListener("blur", drawMap);
$("filter").addEventListener("input", drawTable);
$("publish").addEventListener("submit", publish);
$("rule").addEventListener("submit", addRule);
$("pause").addEventListener("click", () => {
	paused = !paused;
	$("pause").setAttribute("aria-pressed", String(paused));
	write($("pause"), paused ? "Go on" : "Pause");
	if (paused) say("paused", false);
});
for (const button of document.querySelectorAll("th button"))
	button.addEventListener("click", () => sortBy(button.dataset.sort));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); drawMap(); drawPlots(); });
addEventListener("resize", drawPlots);

readColours();
sortBy("in");
introduce();
watch();
