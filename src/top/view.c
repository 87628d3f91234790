/* SPDX-License-Identifier: MIT */
#include "top/view.h"

#include "cli/units.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wchar.h>

enum {
	/* Widths of the columns, with the space in front. */
	RATE = 10,
	BYTES = 9,
	DELAY = 8,
	STATE = 10,
	/* Below so many columns the label would be left with too little. */
	WITH_DELAY = 66,
	WITH_STATE = 78,
	WITH_SPARK = 90,
	SPARK_MIN = 10,
};

const char *const top_sort_names[TOP_SORTS] = {
	[TOP_BY_RATE] = "rate",   [TOP_BY_IN] = "in",       [TOP_BY_OUT] = "out",
	[TOP_BY_BYTES] = "bytes", [TOP_BY_DELAY] = "delay", [TOP_BY_NAME] = "name",
};

enum top_sort top_sort_find(const char *name)
{
	enum top_sort found = TOP_SORTS;

	for (unsigned i = 0; *name && i < TOP_SORTS; i++) {
		if (strncasecmp(top_sort_names[i], name, strlen(name)) != 0)
			continue;
		if (found != TOP_SORTS)
			return TOP_SORTS;
		found = (enum top_sort)i;
	}
	return found;
}

/* --- text in columns --- */

char *top_fit(const char *text, unsigned width, char line[static TOP_LINE])
{
	size_t len = 0, left = strlen(text);
	mbstate_t state = {0};
	unsigned columns = 0;

	while (left > 0 && columns < width && len + MB_LEN_MAX < TOP_LINE) {
		wchar_t wide;
		size_t step = mbrtowc(&wide, text, left, &state);
		int needed = step > left ? -1 : wcwidth(wide);

		if (step > left) {
			step = 1;
			state = (mbstate_t){0};
		}
		if (needed > 0 && columns + (unsigned)needed > width)
			break;
		if (needed < 0)
			line[len++] = '?';
		else
			memcpy(line + len, text, step), len += step;
		columns += needed < 0 ? 1 : (unsigned)needed;
		text += step;
		left -= step;
	}
	for (; columns < width && len + 1 < TOP_LINE; columns++)
		line[len++] = ' ';
	line[len] = '\0';
	return line;
}

/* Appends text to a line, as far as there is room. */
static void put(char line[static TOP_LINE], const char *text)
{
	size_t len = strlen(line);

	snprintf(line + len, TOP_LINE - len, "%s", text);
}

/* Appends a cell whose text stands at its right end. */
static void put_right(char line[static TOP_LINE], const char *text, unsigned width)
{
	char cell[64];

	snprintf(cell, sizeof(cell), " %*s", (int)width - 1, text);
	put(line, cell);
}

/* The last values as a line of bars, the newest at the right; the highest bar is the highest value. */
static void put_spark(char line[static TOP_LINE], const struct top_rates *rates, unsigned width,
		      bool unicode)
{
	static const char *const bars[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	static const char *const marks[] = {" ", ".", ".", ":", "-", "=", "+", "#", "#"};
	double most = 0;

	put(line, " ");
	width = width > TOP_HISTORY ? TOP_HISTORY : width;
	for (unsigned ago = 0; ago < width; ago++)
		most = top_rates_before(rates, ago) > most ? top_rates_before(rates, ago) : most;
	for (unsigned ago = width; ago-- > 0;) {
		double value = top_rates_before(rates, ago);
		/* What is not nothing is seen. */
		unsigned level = value > 0 ? 1 + (unsigned)(value / most * 7) : 0;

		put(line, unicode ? bars[level] : marks[level]);
	}
}

static const char *rate(double bytes, char text[static CLI_UNITS_TEXT])
{
	static const char *const units[] = {"B/s", "kB/s", "MB/s", "GB/s"};

	if (bytes < 0.5)
		return "-";
	return cli_units_scale(bytes, units, text);
}

static unsigned spark_width(unsigned width)
{
	unsigned room = width < WITH_SPARK ? 0 : SPARK_MIN + (width - WITH_SPARK) / 4;

	return room > TOP_HISTORY ? TOP_HISTORY : room;
}

static unsigned label_width(unsigned width)
{
	unsigned others = 2 * RATE + BYTES;

	others += width >= WITH_DELAY ? DELAY : 0;
	others += width >= WITH_STATE ? STATE : 0;
	others += spark_width(width) ? spark_width(width) + 1 : 0;
	return width > others ? width - others : 1;
}

/* The columns behind the label. */
static void put_columns(char line[static TOP_LINE], const struct top_settings *settings,
			const struct top_rates *rates, double delay, const char *state,
			unsigned width)
{
	char text[CLI_UNITS_TEXT];

	put_right(line, rates ? rate(rates->in, text) : "", RATE);
	put_right(line, rates ? rate(rates->out, text) : "", RATE);
	put_right(line, rates ? cli_units_bytes(rates->bytes_in + rates->bytes_out, text) : "",
		  BYTES);
	if (width >= WITH_DELAY)
		put_right(line, delay > 0 ? cli_units_delay(delay, text) : "", DELAY);
	if (width >= WITH_STATE) {
		char cell[STATE + 1];

		snprintf(cell, sizeof(cell), " %-*.*s", STATE - 1, STATE - 1, state);
		put(line, cell);
	}
	if (spark_width(width) && rates)
		put_spark(line, rates, spark_width(width), settings->unicode);
}

static char *finish(char line[static TOP_LINE], unsigned width)
{
	char made[TOP_LINE];

	snprintf(made, sizeof(made), "%s", line);
	return top_fit(made, width, line);
}

char *top_heading(const struct top_settings *settings, unsigned width, char line[static TOP_LINE])
{
	top_fit(settings->flat ? "FLOW" : "APPLICATION, PORT, FLOW", label_width(width), line);
	put_right(line, "IN", RATE);
	put_right(line, "OUT", RATE);
	put_right(line, "BYTES", BYTES);
	if (width >= WITH_DELAY)
		put_right(line, "DELAY", DELAY);
	if (width >= WITH_STATE)
		put(line, " STATE    ");
	if (spark_width(width))
		put(line, " HISTORY");
	return finish(line, width);
}

/* --- labels --- */

static const char *command_of(const struct top_application *application)
{
	return application->command[0] ? application->command : "(nobody)";
}

static bool shows_several(const struct top_model *model, const struct top_settings *settings)
{
	return model->sandbox_count > 1 && !settings->sandbox[0];
}

static void application_label(const struct top_model *model, const struct top_settings *settings,
			      const struct top_application *application, char text[static TOP_LINE])
{
	bool several = shows_several(model, settings);
	char pid[16] = "";

	if (application->command[0])
		snprintf(pid, sizeof(pid), " (%d)", application->pid);
	snprintf(text, TOP_LINE, "%s%s%s%s%s", application->folded && !settings->flat ? "+ " : "",
		 several ? application->sandbox : "", several ? "/" : "", command_of(application),
		 pid);
}

static void port_label(const struct top_port *port, char text[static TOP_LINE])
{
	bool ipv6 = strchr(port->address, ':') != NULL;

	snprintf(text, TOP_LINE, "%s%s%s:%u/%s %s", ipv6 ? "[" : "", port->address, ipv6 ? "]" : "",
		 port->port, port->transport, port->service);
}

/* Which way a flow was opened. */
static const char *arrow(const struct top_flow *flow, bool unicode)
{
	if (flow->inside)
		return unicode ? "─" : "--";
	if (flow->published)
		return unicode ? "←" : "<-";
	return unicode ? "→" : "->";
}

static void flow_label(const struct top_settings *settings, const struct top_flow *flow,
		       char text[static TOP_LINE])
{
	const char *port = strrchr(flow->local, ':');
	/* In one list with its application there is no room for a port that nobody chose. */
	bool brief = settings->flat && !flow->published && !flow->inside;

	/* Of the end inside the port says enough. */
	snprintf(text, TOP_LINE, "%s %s%s%s %s", flow->transport,
		 brief  ? ""
		 : port ? port
			: "*",
		 brief ? "" : " ", arrow(flow, settings->unicode), flow->remote);
}

char *top_row_text(const struct top_model *model, const struct top_settings *settings,
		   const struct top_row *row, unsigned width, char line[static TOP_LINE])
{
	char label[TOP_LINE] = "", whole[2 * TOP_LINE];
	const struct top_application *application = NULL;
	const struct top_flow *flow = NULL;

	if (row->kind == TOP_APPLICATION) {
		application = &model->applications[row->at];
		application_label(model, settings, application, label);
	} else if (row->kind == TOP_PORT) {
		port_label(&model->ports[row->at], label);
	} else {
		flow = &model->flows[row->at];
		flow_label(settings, flow, label);
	}
	if (flow && settings->flat) {
		const struct top_application *owner = &model->applications[flow->application];
		bool several = shows_several(model, settings);

		snprintf(whole, sizeof(whole), "%s%s%s %s", several ? owner->sandbox : "",
			 several ? "/" : "", command_of(owner), label);
	} else {
		snprintf(whole, sizeof(whole), "%*s%s", (int)(2 * row->depth), "", label);
	}
	top_fit(whole, label_width(width), line);
	if (application)
		put_columns(line, settings, &application->rates, application->delay, "", width);
	else if (flow)
		put_columns(line, settings, &flow->rates, flow->delay, flow->state, width);
	else
		put_columns(line, settings, NULL, 0, "LISTEN", width);
	return finish(line, width);
}

/* --- the two lines on top --- */

static bool is_shown(const struct top_settings *settings, const char *sandbox)
{
	return !settings->sandbox[0] || strcmp(settings->sandbox, sandbox) == 0;
}

char *top_title(const struct top_model *model, const struct top_settings *settings, unsigned width,
		char line[static TOP_LINE])
{
	size_t applications = 0, flows = 0, ports = 0;
	char counts[160];

	snprintf(line, TOP_LINE, "cothon top  ");
	if (settings->sandbox[0])
		put(line, settings->sandbox);
	for (size_t i = 0; !settings->sandbox[0] && i < model->sandbox_count; i++) {
		put(line, i > 0 ? ", " : "");
		put(line, model->sandboxes[i].name);
	}
	for (size_t i = 0; i < model->application_count; i++)
		applications += is_shown(settings, model->applications[i].sandbox);
	for (size_t i = 0; i < model->flow_count; i++)
		flows += is_shown(settings, model->flows[i].sandbox);
	for (size_t i = 0; i < model->port_count; i++)
		ports += is_shown(settings, model->ports[i].sandbox);
	snprintf(counts, sizeof(counts), "   %zu application%s  %zu port%s  %zu flow%s",
		 applications, applications == 1 ? "" : "s", ports, ports == 1 ? "" : "s", flows,
		 flows == 1 ? "" : "s");
	put(line, counts);
	return finish(line, width);
}

char *top_totals(const struct top_model *model, const struct top_settings *settings, unsigned width,
		 char line[static TOP_LINE])
{
	char text[CLI_UNITS_TEXT], more[96];
	uint64_t denied = 0, retransmits = 0;
	struct top_rates sum = {.seen = TOP_HISTORY};

	for (size_t i = 0; i < model->sandbox_count; i++) {
		const struct top_sandbox *sandbox = &model->sandboxes[i];

		if (!is_shown(settings, sandbox->name))
			continue;
		sum.in += sandbox->rates.in;
		sum.out += sandbox->rates.out;
		denied += sandbox->denied;
		retransmits += sandbox->retransmits;
		for (unsigned ago = 0; ago < TOP_HISTORY; ago++)
			sum.history[TOP_HISTORY - 1 - ago] +=
				(float)top_rates_before(&sandbox->rates, ago);
	}
	snprintf(line, TOP_LINE, "in %-9s  out ", rate(sum.in, text));
	snprintf(more, sizeof(more), "%-9s  denied %llu  retransmits %llu ", rate(sum.out, text),
		 (unsigned long long)denied, (unsigned long long)retransmits);
	put(line, more);
	put_spark(line, &sum, width < 80 ? SPARK_MIN : 20, settings->unicode);
	return finish(line, width);
}

/* --- rows --- */

struct order {
	const struct top_model *model;
	const struct top_settings *settings;
};

static int compare_numbers(double a, double b)
{
	return a > b ? -1 : a < b;
}

/* How the two rates come after one another, the higher first. */
static int compare_rates(enum top_sort sort, const struct top_rates *a, const struct top_rates *b)
{
	switch (sort) {
	case TOP_BY_RATE:
		return compare_numbers(a->in + a->out, b->in + b->out);
	case TOP_BY_IN:
		return compare_numbers(a->in, b->in);
	case TOP_BY_OUT:
		return compare_numbers(a->out, b->out);
	case TOP_BY_BYTES:
		return compare_numbers((double)(a->bytes_in + a->bytes_out),
				       (double)(b->bytes_in + b->bytes_out));
	default:
		return 0;
	}
}

static int compare_applications(const struct top_application *a, const struct top_application *b,
				enum top_sort sort)
{
	int order = sort == TOP_BY_DELAY ? compare_numbers(a->delay, b->delay)
					 : compare_rates(sort, &a->rates, &b->rates);

	if (order == 0)
		order = strcmp(a->command, b->command);
	if (order == 0)
		order = strcmp(a->sandbox, b->sandbox);
	return order ? order : a->pid - b->pid;
}

static int compare_flows(const struct top_model *model, const struct top_flow *a,
			 const struct top_flow *b, enum top_sort sort)
{
	int order = sort == TOP_BY_DELAY ? compare_numbers(a->delay, b->delay)
					 : compare_rates(sort, &a->rates, &b->rates);

	if (order == 0 && sort == TOP_BY_NAME)
		order = strcmp(model->applications[a->application].command,
			       model->applications[b->application].command);
	if (order == 0)
		order = strcmp(a->remote, b->remote);
	return order ? order : strcmp(a->local, b->local);
}

/* For qsort_r(3): rows of one kind. */
static int compare_rows(const void *left, const void *right, void *context)
{
	const struct order *by = context;
	const struct top_row *a = left, *b = right;
	const struct top_model *model = by->model;
	int order;

	if (a->kind == TOP_APPLICATION)
		order = compare_applications(&model->applications[a->at],
					     &model->applications[b->at], by->settings->sort);
	else if (a->kind == TOP_FLOW)
		order = compare_flows(model, &model->flows[a->at], &model->flows[b->at],
				      by->settings->sort);
	else
		return (int)model->ports[a->at].port - (int)model->ports[b->at].port;
	return by->settings->reversed ? -order : order;
}

static bool holds(const struct top_settings *settings, const char *text)
{
	return strcasestr(text, settings->filter) != NULL;
}

static bool application_fits(const struct top_model *model, const struct top_settings *settings,
			     size_t at)
{
	const struct top_application *application = &model->applications[at];
	char label[TOP_LINE];

	application_label(model, settings, application, label);
	return holds(settings, label) || holds(settings, application->sandbox);
}

static bool row_fits(const struct top_model *model, const struct top_settings *settings,
		     const struct top_row *row)
{
	char label[TOP_LINE];

	if (row->kind == TOP_PORT) {
		port_label(&model->ports[row->at], label);
		return holds(settings, label);
	}
	flow_label(settings, &model->flows[row->at], label);
	return holds(settings, label) || holds(settings, model->flows[row->at].service) ||
	       holds(settings, model->flows[row->at].state);
}

/* Rows by their application: a list of places for each, in one array. */
struct children {
	size_t *first; /* of each application, and one more */
	struct top_row *rows;
};

static size_t owner_of(const struct top_model *model, const struct top_row *row)
{
	return row->kind == TOP_PORT ? model->ports[row->at].application
				     : model->flows[row->at].application;
}

static bool make_children(const struct top_model *model, struct children *children)
{
	size_t count = model->port_count + model->flow_count, *next;

	children->first = calloc(model->application_count + 2, sizeof(size_t));
	children->rows = calloc(count + 1, sizeof(*children->rows));
	next = children->first ? children->first + 1 : NULL;
	if (!next || !children->rows)
		return false;
	for (size_t i = 0; i < model->application_count; i++)
		next[i + 1] = next[i] + model->applications[i].ports + model->applications[i].flows;
	for (size_t i = 0; i < count; i++) {
		struct top_row row = {TOP_PORT, i, 1};

		if (i >= model->port_count)
			row = (struct top_row){TOP_FLOW, i - model->port_count, 1};
		/* What begins as the end of the one before becomes its own end. */
		children->rows[next[owner_of(model, &row)]++] = row;
	}
	return true;
}

/* The ports of an application, then its flows in their order. Returns how many were added. */
static size_t add_children(const struct top_model *model, const struct top_settings *settings,
			   const struct children *children, size_t application,
			   struct top_row *rows)
{
	struct top_row *from = children->rows + children->first[application];
	size_t count = children->first[application + 1] - children->first[application];
	size_t ports = model->applications[application].ports, added = 0;
	struct order by = {model, settings};
	bool all = !settings->filter[0] || application_fits(model, settings, application);

	qsort_r(from, ports, sizeof(*from), compare_rows, &by);
	qsort_r(from + ports, count - ports, sizeof(*from), compare_rows, &by);
	for (size_t i = 0; i < count; i++) {
		if (all || row_fits(model, settings, &from[i]))
			rows[added++] = from[i];
	}
	return added;
}

static size_t tree_rows(const struct top_model *model, const struct top_settings *settings,
			struct top_row *rows)
{
	struct top_row *order = calloc(model->application_count + 1, sizeof(*order));
	struct order by = {model, settings};
	struct children children = {0};
	size_t shown = 0, count = 0;

	if (order && make_children(model, &children)) {
		for (size_t i = 0; i < model->application_count; i++) {
			if (is_shown(settings, model->applications[i].sandbox))
				order[shown++] = (struct top_row){TOP_APPLICATION, i, 0};
		}
		qsort_r(order, shown, sizeof(*order), compare_rows, &by);
	}
	for (size_t i = 0; i < shown; i++) {
		const struct top_application *application = &model->applications[order[i].at];
		size_t added =
			add_children(model, settings, &children, order[i].at, rows + count + 1);

		if (added == 0 && settings->filter[0] &&
		    !application_fits(model, settings, order[i].at))
			continue;
		rows[count] = order[i];
		/* A filter looks into what is folded. */
		count += 1 + (application->folded && !settings->filter[0] ? 0 : added);
	}
	free(children.first);
	free(children.rows);
	free(order);
	return count;
}

static size_t flat_rows(const struct top_model *model, const struct top_settings *settings,
			struct top_row *rows)
{
	struct order by = {model, settings};
	size_t count = 0;

	for (size_t i = 0; i < model->flow_count; i++) {
		const struct top_row row = {TOP_FLOW, i, 0};

		if (is_shown(settings, model->flows[i].sandbox) &&
		    (!settings->filter[0] || row_fits(model, settings, &row) ||
		     application_fits(model, settings, model->flows[i].application)))
			rows[count++] = row;
	}
	qsort_r(rows, count, sizeof(*rows), compare_rows, &by);
	return count;
}

size_t top_rows(const struct top_model *model, const struct top_settings *settings,
		struct top_row **rows)
{
	*rows = calloc(model->application_count + model->port_count + model->flow_count + 2,
		       sizeof(**rows));
	if (!*rows)
		return 0;
	return settings->flat ? flat_rows(model, settings, *rows)
			      : tree_rows(model, settings, *rows);
}
