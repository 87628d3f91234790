/* SPDX-License-Identifier: MIT */
#include "cli/flow_view.h"

#include "cli/units.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	MAX_ROWS = 512,    /* flows in the table; more are counted */
	MAX_SERVICES = 64, /* services told apart in the summary */
	SERVICE_TEXT = 20,
	LINE_TEXT = 160,
	PORTS_SHOWN = 6, /* examples */
	/*
	 * The size of a terminal that does not tell its own. The last column stays free: behind it the cursor would
	 * still be on it, and what erases the rest of the line would take it along.
	 */
	COLUMNS = 79,
	LINES = 24,
	/* Microseconds between two lines where there is no terminal. */
	LINE_EVERY = 3000000,
};

struct row {
	struct cothon_tcp_info info;
	uint64_t bytes; /* both ways, at the last look */
	double rate;    /* bytes per second */
	bool seen;
};

struct total {
	char service[SERVICE_TEXT];
	unsigned flows;
	uint64_t in, out; /* bytes into applications, and out of them */
};

struct flow_view {
	FILE *out;
	bool live;
	unsigned lines; /* drawn, to be drawn over */
	uint64_t started_at, looked_at, said_at;
	uint64_t said_bytes; /* up to then */
	/* The flows there are. */
	struct row rows[MAX_ROWS];
	unsigned row_count, flow_count;
	/* Of all flows up to now, at the last look. */
	uint64_t bytes;
	double rate;
	/* The flows that have ended, by service, and all of them. */
	struct total totals[MAX_SERVICES], all;
	unsigned total_count;
	/* The ports that applications had. */
	uint8_t ports[(COTHON_PORT_LAST + 1) / 8];
};

struct flow_view *flow_view_create(FILE *out, uint64_t now)
{
	struct flow_view *view = calloc(1, sizeof(*view));

	if (!view)
		return NULL;
	view->out = out;
	view->live = isatty(fileno(out));
	view->started_at = view->looked_at = view->said_at = now;
	return view;
}

void flow_view_destroy(struct flow_view *view)
{
	free(view);
}

/* Text */

static const char *rate_text(double bytes_per_second, char text[static 16])
{
	static const char *const units[] = {"bit/s", "kbit/s", "Mbit/s", "Gbit/s"};

	return cli_units_scale(bytes_per_second * 8, units, text);
}

/* The service of a flow by its name: what the one who opened it went to. */
static const char *service_text(const struct cothon_tcp_info *info, char text[static SERVICE_TEXT])
{
	uint16_t port = info->active ? info->flow.remote_port : info->flow.local_port;
	const struct cothon_service *service = cothon_service_by_port(port, COTHON_TCP);

	if (service)
		snprintf(text, SERVICE_TEXT, "%s", service->name);
	else if (cothon_port_class(port) == COTHON_PORT_DYNAMIC)
		snprintf(text, SERVICE_TEXT, "(dynamic)");
	else
		snprintf(text, SERVICE_TEXT, "%u", port);
	return text;
}

/* Looking */

static uint64_t bytes_of(const struct cothon_tcp_info *info)
{
	return info->bytes_in + info->bytes_out;
}

static struct row *find_row(struct flow_view *view, const struct cothon_tcp_info *info)
{
	for (unsigned i = 0; i < view->row_count; i++) {
		struct row *row = &view->rows[i];

		if (row->info.opened_at == info->opened_at &&
		    cothon_flow_equal(&row->info.flow, &info->flow))
			return row;
	}
	if (view->row_count == MAX_ROWS)
		return NULL;
	view->rows[view->row_count] = (struct row){.info = *info};
	return &view->rows[view->row_count++];
}

/* True for a flow that stands: both sides have agreed to it, and not yet to its end. */
static bool stands(enum cothon_tcp_state state)
{
	return state == COTHON_TCP_ESTABLISHED || state == COTHON_TCP_CLOSE_WAIT ||
	       state == COTHON_TCP_FIN_WAIT_1 || state == COTHON_TCP_FIN_WAIT_2;
}

struct look {
	struct flow_view *view;
	uint64_t bytes;
};

static void look_at(const struct cothon_tcp *tcp, void *context)
{
	struct look *look = context;
	struct cothon_tcp_info info;
	struct row *row;

	cothon_tcp_info(tcp, &info);
	if (!stands(info.state))
		return;
	look->view->flow_count++;
	look->bytes += bytes_of(&info);
	row = find_row(look->view, &info);
	if (!row)
		return;
	row->info = info;
	row->seen = true;
}

static void update_rows(struct flow_view *view, double seconds)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < view->row_count; i++) {
		struct row *row = &view->rows[i];
		uint64_t bytes = bytes_of(&row->info);

		if (!row->seen)
			continue;
		row->rate = (double)(bytes - row->bytes) / seconds;
		row->bytes = bytes;
		row->seen = false;
		view->rows[kept++] = *row;
	}
	view->row_count = kept;
}

static int by_age(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->info.opened_at != y->info.opened_at)
		return x->info.opened_at < y->info.opened_at ? -1 : 1;
	return x->info.flow.remote_port - y->info.flow.remote_port;
}

static void look(struct flow_view *view, struct cothon_stack *stack, uint64_t now)
{
	struct look look = {.view = view, .bytes = view->all.in + view->all.out};
	double seconds = now > view->looked_at ? (double)(now - view->looked_at) / 1e6 : 1e-6;

	view->flow_count = 0;
	cothon_tcp_each(stack, look_at, &look);
	update_rows(view, seconds);
	/* A flow whose end is under way may have been counted twice the last time. */
	view->rate = look.bytes > view->bytes ? (double)(look.bytes - view->bytes) / seconds : 0;
	view->bytes = look.bytes;
	view->looked_at = now;
	qsort(view->rows, view->row_count, sizeof(*view->rows), by_age);
}

/* Drawing */

struct picture {
	FILE *out;
	int columns;
	unsigned lines;
};

/* A line of the table, cut where the terminal ends, so that it takes one line there. */
__attribute__((format(printf, 2, 3))) static void draw_line(struct picture *picture,
							    const char *format, ...)
{
	char text[LINE_TEXT];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fprintf(picture->out, "%.*s\033[K\n", picture->columns, text);
	picture->lines++;
}

static void draw_row(struct picture *picture, const struct row *row)
{
	char service[SERVICE_TEXT], outside[COTHON_ENDPOINT_TEXT], in[16], out[16], rate[16];
	struct cothon_endpoint far = cothon_flow_local(&row->info.flow);

	draw_line(picture, "%11u  %s  %-10.10s %-21.21s %8s %8s %11s", row->info.flow.remote_port,
		  row->info.active ? "<-" : "->", service_text(&row->info, service),
		  cothon_endpoint_format(&far, outside), cli_units_bytes(row->info.bytes_out, in),
		  cli_units_bytes(row->info.bytes_in, out), rate_text(row->rate, rate));
}

static void draw_table(struct flow_view *view, struct picture *picture, unsigned room)
{
	char rate[16];

	draw_line(picture, "%5.1f s  %3u flows now, %u have ended; %s over one link",
		  (double)(view->looked_at - view->started_at) / 1e6, view->flow_count,
		  view->all.flows, rate_text(view->rate, rate));
	draw_line(picture, "%11s      %-10s %-21s %8s %8s %11s", "port inside", "service",
		  "outside", "in", "out", "rate");
	/* The first two lines, one for those that find no room, and the one with the cursor. */
	room = room > 4 ? room - 4 : 0;
	for (unsigned i = 0; i < view->row_count && i < room; i++)
		draw_row(picture, &view->rows[i]);
	if (view->flow_count > room)
		draw_line(picture, "%11s and %u more", "", view->flow_count - room);
}

static void erase(struct flow_view *view, FILE *out)
{
	if (view->lines > 0)
		fprintf(out, "\033[%uA\r\033[J", view->lines);
	view->lines = 0;
}

/* Draws over what was drawn before, with one write: so nothing flickers. */
static void draw(struct flow_view *view)
{
	struct winsize size = {0};
	struct picture picture = {.columns = COLUMNS};
	unsigned room = LINES;
	char *text;
	size_t len;

	if (ioctl(fileno(view->out), TIOCGWINSZ, &size) == 0 && size.ws_row > 0 &&
	    size.ws_col > 0) {
		picture.columns = size.ws_col - 1;
		room = size.ws_row;
	}
	picture.out = open_memstream(&text, &len);
	if (!picture.out)
		return;
	if (view->lines > 0)
		fprintf(picture.out, "\033[%uA\r", view->lines);
	draw_table(view, &picture, room);
	fputs("\033[J", picture.out);
	if (fclose(picture.out) == 0) {
		fwrite(text, 1, len, view->out);
		fflush(view->out);
		view->lines = picture.lines;
	}
	free(text);
}

static void say(struct flow_view *view, uint64_t now)
{
	double seconds = (double)(now - view->said_at) / 1e6;
	uint64_t bytes = view->bytes > view->said_bytes ? view->bytes - view->said_bytes : 0;
	char rate[16];

	if (now - view->said_at < LINE_EVERY)
		return;
	view->said_at = now;
	view->said_bytes = view->bytes;
	fprintf(view->out, "%5.1f s: %u flows now, %u have ended; %s over one link\n",
		(double)(now - view->started_at) / 1e6, view->flow_count, view->all.flows,
		rate_text((double)bytes / seconds, rate));
	fflush(view->out);
}

void flow_view_update(struct flow_view *view, struct cothon_stack *stack, uint64_t now)
{
	look(view, stack, now);
	if (view->live)
		draw(view);
	else
		say(view, now);
}

/* What was seen */

static struct total *find_total(struct flow_view *view, const char *service)
{
	for (unsigned i = 0; i < view->total_count; i++) {
		if (strcmp(view->totals[i].service, service) == 0)
			return &view->totals[i];
	}
	/* The last one is for all that find no place of their own. */
	if (view->total_count == MAX_SERVICES - 1)
		service = "(others)";
	if (view->total_count == MAX_SERVICES)
		return &view->totals[MAX_SERVICES - 1];
	snprintf(view->totals[view->total_count].service, SERVICE_TEXT, "%s", service);
	return &view->totals[view->total_count++];
}

static void add(struct total *total, const struct cothon_tcp_info *info)
{
	/* What the stack has sent and seen acknowledged went into the application. */
	total->flows++;
	total->in += info->bytes_out;
	total->out += info->bytes_in;
}

void flow_view_ended(struct flow_view *view, const struct cothon_tcp_info *info)
{
	uint16_t port = info->flow.remote_port;
	char service[SERVICE_TEXT];

	view->ports[port / 8] |= (uint8_t)(1 << port % 8);
	add(find_total(view, service_text(info, service)), info);
	add(&view->all, info);
}

static bool had_port(const struct flow_view *view, unsigned port)
{
	return view->ports[port / 8] & 1 << port % 8;
}

/* How many ports of each class applications had, and some of the dynamic ones, from all over their range. */
static void print_ports(const struct flow_view *view)
{
	unsigned count[3] = {0}, step, passed = 0;

	for (unsigned port = 0; port <= COTHON_PORT_LAST; port++)
		count[cothon_port_class((uint16_t)port)] += had_port(view, port);
	fprintf(view->out, "ports that the applications had: %u system, %u user, %u dynamic",
		count[COTHON_PORT_SYSTEM], count[COTHON_PORT_USER], count[COTHON_PORT_DYNAMIC]);
	step = (count[COTHON_PORT_DYNAMIC] + PORTS_SHOWN - 1) / PORTS_SHOWN;
	for (unsigned port = COTHON_PORT_USER_LAST + 1; port <= COTHON_PORT_LAST; port++) {
		if (had_port(view, port) && passed++ % step == 0)
			fprintf(view->out, "%s%u", passed == 1 ? ", such as " : ", ", port);
	}
	fputc('\n', view->out);
}

static int by_bytes(const void *a, const void *b)
{
	const struct total *x = a, *y = b;
	uint64_t of_x = x->in + x->out, of_y = y->in + y->out;

	return of_x < of_y ? 1 : of_x > of_y ? -1 : 0;
}

static void print_total(const struct flow_view *view, const char *name, const struct total *total)
{
	char in[16], out[16];

	fprintf(view->out, "%11s  %5u %s %9s in %9s out\n", name, total->flows,
		total->flows == 1 ? "flow, " : "flows,", cli_units_bytes(total->in, in),
		cli_units_bytes(total->out, out));
}

void flow_view_finish(struct flow_view *view, uint64_t now)
{
	double seconds = (double)(now - view->started_at) / 1e6;
	char rate[16];

	erase(view, view->out);
	qsort(view->totals, view->total_count, sizeof(*view->totals), by_bytes);
	for (unsigned i = 0; i < view->total_count; i++)
		print_total(view, view->totals[i].service, &view->totals[i]);
	if (view->total_count > 1)
		print_total(view, "all", &view->all);
	fprintf(view->out, "over one link in %.1f s: %s on average\n", seconds,
		rate_text((double)(view->all.in + view->all.out) / (seconds > 0 ? seconds : 1),
			  rate));
	print_ports(view);
	fflush(view->out);
}
