/* SPDX-License-Identifier: MIT */
#include "cli/ports_view.h"

#include "cli/table.h"
#include "cli/units.h"
#include "sandbox/inspection.h"
#include <cothon/addr.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	/* Lines besides rows: the sandbox's name, two headings, an empty line in between. */
	FRAME = 4,
	/* A terminal of fewer columns than this has the flows written shorter. */
	NARROW = 110,
};

/* --- reading JSON; what is missing or of another kind is empty --- */

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static uint64_t number_of(const json_t *object, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(object, name));
}

/* --- the filter --- */

static bool is_app(const json_t *process, const char *app)
{
	char *end;
	unsigned long number = strtoul(app, &end, 10);

	if (*app && !*end)
		return number_of(process, "pid") == number ||
		       number_of(process, "host_pid") == number;
	/* The kernel keeps no more of a name. */
	return strncmp(text_of(process, "command"), app, SANDBOX_COMMAND - 1) == 0;
}

static bool has_app(const json_t *item, const char *app)
{
	const json_t *process;
	size_t i;

	json_array_foreach(json_object_get(item, "applications"), i, process)
	{
		if (is_app(process, app))
			return true;
	}
	return false;
}

/* Whether the port is among those of a binding, a flow, or what the gateway holds. */
static bool has_port(const json_t *item, uint16_t port)
{
	uint64_t count = number_of(item, "count"), first = number_of(item, "port");
	uint64_t inside = number_of(item, "inside");

	if (count == 0)
		count = 1;
	return port - first < count || (inside && port - inside < count) ||
	       number_of(json_object_get(item, "local"), "port") == port ||
	       number_of(json_object_get(item, "remote"), "port") == port;
}

static bool is_shown(const json_t *item, const struct cli_ports_filter *filter)
{
	if (filter->transport && strcmp(text_of(item, "transport"), filter->transport) != 0)
		return false;
	if (filter->service && strcasecmp(text_of(item, "service"), filter->service) != 0)
		return false;
	if (filter->app && !has_app(item, filter->app))
		return false;
	return !filter->port || has_port(item, filter->port);
}

void cli_ports_filter(json_t *answer, const struct cli_ports_filter *filter)
{
	static const char *const parts[] = {"bindings", "flows", "gateway"};

	for (size_t part = 0; part < sizeof(parts) / sizeof(*parts); part++) {
		const json_t *items = json_object_get(answer, parts[part]);
		json_t *shown = json_array(), *item;
		size_t i;

		json_array_foreach(items, i, item)
		{
			if (is_shown(item, filter))
				json_array_append(shown, item);
		}
		json_object_set_new(answer, parts[part], shown);
	}
}

/* --- cells --- */

/* "nginx (12) and 3 more"; the outer number is in the JSON. */
static void write_apps(char cell[static CLI_TABLE_CELL], const json_t *item)
{
	const json_t *apps = json_object_get(item, "applications");
	const json_t *first = json_array_get(apps, 0);
	size_t count = json_array_size(apps);

	if (count == 0)
		cli_table_write(cell, "-");
	else if (count == 1)
		cli_table_write(cell, "%s (%d)", text_of(first, "command"),
				(int)number_of(first, "pid"));
	else
		cli_table_write(cell, "%s (%d) +%zu", text_of(first, "command"),
				(int)number_of(first, "pid"), count - 1);
}

static void write_service(char cell[static CLI_TABLE_CELL], const json_t *item)
{
	const char *service = text_of(item, "service");

	cli_table_write(cell, "%s", *service ? service : "-");
}

static void write_endpoint(char cell[static CLI_TABLE_CELL], const json_t *endpoint,
			   const char *name)
{
	const char *address = text_of(endpoint, "address");
	unsigned port = (unsigned)number_of(endpoint, "port");

	if (!*address)
		cli_table_write(cell, "*");
	else if (*name)
		cli_table_write(cell, "%s:%u", name, port);
	else if (strchr(address, ':'))
		cli_table_write(cell, "[%s]:%u", address, port);
	else
		cli_table_write(cell, "%s:%u", address, port);
}

/* The names that ss(8) and its kin use, shorter than those of the RFC. */
static const char *short_state(const char *state)
{
	if (strcmp(state, "ESTABLISHED") == 0)
		return "ESTAB";
	if (strcmp(state, "SYN-RECEIVED") == 0)
		return "SYN-RECV";
	return *state ? state : "-";
}

/* --- bindings --- */

enum {
	BINDING_TRANSPORT,
	BINDING_PORT,
	BINDING_SERVICE,
	BINDING_CLASS,
	BINDING_ADDRESS,
	BINDING_APP,
	BINDING_COLUMNS,
};

static const struct cli_column binding_columns[BINDING_COLUMNS] = {
	[BINDING_TRANSPORT] = {"", false, 0},       [BINDING_PORT] = {"PORT", true, 0},
	[BINDING_SERVICE] = {"SERVICE", false, 8},  [BINDING_CLASS] = {"CLASS", false, 0},
	[BINDING_ADDRESS] = {"ADDRESS", false, 12}, [BINDING_APP] = {"APPLICATION", false, 12},
};

static int add_binding(struct cli_table *table, const json_t *binding)
{
	struct cli_row *row = cli_table_add(table);

	if (!row)
		return -ENOMEM;
	cli_table_write(row->cells[BINDING_TRANSPORT], "%s", text_of(binding, "transport"));
	cli_table_write(row->cells[BINDING_PORT], "%d", (int)number_of(binding, "port"));
	write_service(row->cells[BINDING_SERVICE], binding);
	cli_table_write(row->cells[BINDING_CLASS], "%s", text_of(binding, "class"));
	if (json_is_true(json_object_get(binding, "dual_stack")))
		cli_table_write(row->cells[BINDING_ADDRESS], "*");
	else
		cli_table_write(row->cells[BINDING_ADDRESS], "%s", text_of(binding, "address"));
	write_apps(row->cells[BINDING_APP], binding);
	return 0;
}

/* What the gateway itself holds: inside, its DNS server; outside, the published ports. */
static int add_held(struct cli_table *table, const json_t *held)
{
	struct cli_row *row = cli_table_add(table);
	const char *address = text_of(held, "address");
	int port = (int)number_of(held, "port"), inside = (int)number_of(held, "inside");
	int further = (int)number_of(held, "count") - 1;

	if (!row)
		return -ENOMEM;
	cli_table_write(row->cells[BINDING_TRANSPORT], "%s", text_of(held, "transport"));
	write_service(row->cells[BINDING_SERVICE], held);
	if (strcmp(text_of(held, "where"), "host") != 0) {
		cli_table_write(row->cells[BINDING_PORT], "%d", port);
		cli_table_write(row->cells[BINDING_ADDRESS], "%s", address);
		cli_table_write(row->cells[BINDING_CLASS], "gateway");
		cli_table_write(row->cells[BINDING_APP], "cothon (DNS)");
		return 0;
	}
	cli_table_write(row->cells[BINDING_CLASS], "host");
	cli_table_write(row->cells[BINDING_ADDRESS], "%s", *address ? address : "*");
	if (further > 0) {
		cli_table_write(row->cells[BINDING_PORT], "%d-%d", port, port + further);
		cli_table_write(row->cells[BINDING_APP], "cothon (to %d-%d inside)", inside,
				inside + further);
	} else {
		cli_table_write(row->cells[BINDING_PORT], "%d", port);
		cli_table_write(row->cells[BINDING_APP], "cothon (to %d inside)", inside);
	}
	return 0;
}

/* --- flows --- */

enum {
	FLOW_APP,
	FLOW_TRANSPORT,
	FLOW_LOCAL,
	FLOW_DIRECTION,
	FLOW_REMOTE,
	FLOW_SERVICE,
	FLOW_STATE,
	FLOW_IN,
	FLOW_OUT,
	FLOW_AGE,
	FLOW_ROUND_TRIP,
	FLOW_COLUMNS,
};

static const struct cli_column flow_columns[FLOW_COLUMNS] = {
	[FLOW_APP] = {"APPLICATION", false, 11}, [FLOW_TRANSPORT] = {"", false, 0},
	[FLOW_LOCAL] = {"LOCAL", false, 6},      [FLOW_DIRECTION] = {"", false, 0},
	[FLOW_REMOTE] = {"REMOTE", false, 21},   [FLOW_SERVICE] = {"SERVICE", false, 4},
	[FLOW_STATE] = {"STATE", false, 5},      [FLOW_IN] = {"IN", true, 0},
	[FLOW_OUT] = {"OUT", true, 0},           [FLOW_AGE] = {"AGE", true, 0},
	[FLOW_ROUND_TRIP] = {"RTT", true, 0},
};

/* null is "-". */
static void write_seconds(char cell[static CLI_TABLE_CELL], const json_t *flow, const char *name,
			  const char *(*write)(double seconds, char text[static CLI_UNITS_TEXT]))
{
	const json_t *seconds = json_object_get(flow, name);
	char text[CLI_UNITS_TEXT];

	cli_table_write(cell, "%s",
			json_is_number(seconds) ? write(json_number_value(seconds), text) : "-");
}

/* "70.0 kB" becomes "70.0k", "3 min" "3m". */
static void compact(char *cell)
{
	size_t len = strcspn(cell, " ");

	if (!cell[len])
		return;
	memmove(cell + len, cell + len + 1, strlen(cell + len));
	if (strcmp(cell + len, "min") == 0 || cell[len + 1] == 'B')
		cell[len + 1] = '\0';
	else if (cell[len] == 'B')
		cell[len] = '\0';
}

/* On a narrow terminal the sandbox's own address, which is the same for most, is left out. */
static int add_flow(struct cli_table *table, const json_t *flow, bool narrow)
{
	struct cli_row *row = cli_table_add(table);
	const json_t *local = json_object_get(flow, "local");
	bool inward = json_is_true(json_object_get(flow, "inward"));
	char text[CLI_UNITS_TEXT];

	if (!row)
		return -ENOMEM;
	write_apps(row->cells[FLOW_APP], flow);
	cli_table_write(row->cells[FLOW_TRANSPORT], "%s", text_of(flow, "transport"));
	if (narrow)
		cli_table_write(row->cells[FLOW_LOCAL], ":%d", (int)number_of(local, "port"));
	else
		write_endpoint(row->cells[FLOW_LOCAL], local, "");
	if (strcmp(text_of(flow, "through"), "inside") == 0)
		cli_table_write(row->cells[FLOW_DIRECTION], "--");
	else
		cli_table_write(row->cells[FLOW_DIRECTION], "%s", inward ? "<-" : "->");
	write_endpoint(row->cells[FLOW_REMOTE], json_object_get(flow, "remote"),
		       text_of(flow, "name"));
	write_service(row->cells[FLOW_SERVICE], flow);
	cli_table_write(row->cells[FLOW_STATE], "%s", short_state(text_of(flow, "state")));
	cli_table_write(row->cells[FLOW_IN], "%s",
			cli_units_bytes(number_of(flow, "bytes_in"), text));
	cli_table_write(row->cells[FLOW_OUT], "%s",
			cli_units_bytes(number_of(flow, "bytes_out"), text));
	write_seconds(row->cells[FLOW_AGE], flow, "age", cli_units_age);
	write_seconds(row->cells[FLOW_ROUND_TRIP], flow, "round_trip", cli_units_delay);
	for (unsigned i = FLOW_IN; narrow && i < FLOW_COLUMNS; i++)
		compact(row->cells[i]);
	return 0;
}

/* --- tables --- */

/* In the order of these columns; digits count as numbers. */
static int compare_cells(const struct cli_row *a, const struct cli_row *b, const int *columns,
			 size_t count)
{
	int order = 0;

	for (size_t i = 0; i < count && order == 0; i++)
		order = strverscmp(a->cells[columns[i]], b->cells[columns[i]]);
	return order;
}

static int compare_bindings(const void *a, const void *b)
{
	static const int columns[] = {BINDING_TRANSPORT, BINDING_PORT, BINDING_ADDRESS,
				      BINDING_APP};

	return compare_cells(a, b, columns, sizeof(columns) / sizeof(*columns));
}

static int compare_flows(const void *a, const void *b)
{
	static const int columns[] = {FLOW_APP, FLOW_TRANSPORT, FLOW_LOCAL, FLOW_REMOTE};

	return compare_cells(a, b, columns, sizeof(columns) / sizeof(*columns));
}

/* What the sandbox holds in order of ports, and then what the gateway does. */
static int fill_bindings(struct cli_table *table, const json_t *answer)
{
	const json_t *item;
	int error = 0;
	size_t i;

	json_array_foreach(json_object_get(answer, "bindings"), i, item)
	{
		if (error == 0)
			error = add_binding(table, item);
	}
	cli_table_sort(table, compare_bindings);
	json_array_foreach(json_object_get(answer, "gateway"), i, item)
	{
		if (error == 0)
			error = add_held(table, item);
	}
	return error;
}

static int fill_flows(struct cli_table *table, const json_t *answer, bool narrow)
{
	const json_t *flow;
	int error = 0;
	size_t i;

	json_array_foreach(json_object_get(answer, "flows"), i, flow)
	{
		if (error == 0)
			error = add_flow(table, flow, narrow);
	}
	cli_table_sort(table, compare_flows);
	return error;
}

static void print_count(FILE *out, size_t count, const char *what)
{
	fprintf(out, "%zu %s%s", count, what, count == 1 ? "" : "s");
}

static void print_title(const json_t *answer, FILE *out)
{
	fprintf(out, "%s: ", text_of(answer, "name"));
	print_count(out, json_array_size(json_object_get(answer, "bindings")), "binding");
	fputs(", ", out);
	print_count(out, json_array_size(json_object_get(answer, "flows")), "flow");
	if (json_is_true(json_object_get(answer, "truncated")))
		fputs("; there is more than is shown", out);
	fputc('\n', out);
}

/* How many rows a table of `count` may have when both share `room`; 0: any number. */
static size_t share(unsigned room, size_t count, size_t other)
{
	size_t half = room / 2;

	if (room == 0 || count + other <= room)
		return 0;
	if (count <= half)
		return count;
	return other < room - half ? room - other : half;
}

static void print_tables(const struct cli_table *bindings, const struct cli_table *flows, FILE *out,
			 unsigned width, unsigned lines)
{
	unsigned room = lines > FRAME ? lines - FRAME : lines ? 1 : 0;

	if (bindings->count > 0)
		cli_table_print(bindings, out, width, share(room, bindings->count, flows->count));
	if (bindings->count > 0 && flows->count > 0)
		fputc('\n', out);
	if (flows->count > 0)
		cli_table_print(flows, out, width, share(room, flows->count, bindings->count));
}

int cli_ports_print(const json_t *answer, FILE *out, unsigned width, unsigned lines)
{
	struct cli_table bindings, flows;
	bool narrow = width > 0 && width < NARROW;
	int error;

	cli_table_init(&bindings, binding_columns, BINDING_COLUMNS);
	cli_table_init(&flows, flow_columns, FLOW_COLUMNS);
	if (narrow)
		flows.gap = 1;
	error = fill_bindings(&bindings, answer);
	if (error == 0)
		error = fill_flows(&flows, answer, narrow);
	if (error == 0) {
		print_title(answer, out);
		print_tables(&bindings, &flows, out, width, lines);
	}
	cli_table_free(&bindings);
	cli_table_free(&flows);
	return error;
}
