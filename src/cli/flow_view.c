/* SPDX-License-Identifier: MIT */
#include "cli/flow_view.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	MAX_ROWS = 512,	    /* flows drawn; more are counted */
	MAX_SERVICES = 64,  /* services told apart in the summary */
	MAX_PORTS = 65536,
	SERVICE_TEXT = 20,
};

/* One flow from the application's side: into it and out of it. */
struct row {
	struct cothon_tcp_info info;
	uint64_t last_in, last_out; /* bytes at the last look */
	double rate;		    /* bytes per second, both ways */
	bool seen;
};

struct service {
	char name[SERVICE_TEXT];
	unsigned flows;
	uint64_t in, out;
};

struct flow_view {
	FILE *out;
	bool live;
	unsigned lines; /* drawn, to be drawn over */
	uint64_t started_at, looked_at;
	struct row rows[MAX_ROWS];
	unsigned row_count, flow_count;
	struct service services[MAX_SERVICES];
	unsigned service_count;
	uint64_t in, out_bytes;
	unsigned ended;
	uint8_t ports[MAX_PORTS / 8]; /* ports that applications had */
	double rate;
};

struct flow_view *flow_view_create(FILE *out, uint64_t now)
{
	struct flow_view *view = calloc(1, sizeof(*view));

	if (!view)
		return NULL;
	view->out = out;
	view->live = isatty(fileno(out));
	view->started_at = view->looked_at = now;
	return view;
}

void flow_view_destroy(struct flow_view *view)
{
	free(view);
}

/* Text */

static const char *bytes_text(double bytes, char text[static 16])
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	unsigned unit = 0;

	while (bytes >= 1000 && unit < 4) {
		bytes /= 1000;
		unit++;
	}
	snprintf(text, 16, unit && bytes < 100 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
	return text;
}

static const char *rate_text(double bytes_per_second, char text[static 16])
{
	static const char *const units[] = { "bit/s", "kbit/s", "Mbit/s", "Gbit/s" };
	double bits = bytes_per_second * 8;
	unsigned unit = 0;

	while (bits >= 1000 && unit < 3) {
		bits /= 1000;
		unit++;
	}
	snprintf(text, 16, unit && bits < 100 ? "%.1f %s" : "%.0f %s", bits, units[unit]);
	return text;
}

/* The service's side of a flow: where the opener went to. */
static uint16_t service_port(const struct cothon_tcp_info *info)
{
	return info->active ? info->flow.remote_port : info->flow.local_port;
}

static const char *service_name(const struct cothon_tcp_info *info, char text[static SERVICE_TEXT])
{
	uint16_t port = service_port(info);
	const struct cothon_service *service = cothon_service_by_port(port, COTHON_TCP);

	if (service)
		snprintf(text, SERVICE_TEXT, "%s", service->name);
	else
		snprintf(text, SERVICE_TEXT, "%u", port);
	return text;
}

/* Looking */

static struct row *find_row(struct flow_view *view, const struct cothon_tcp_info *info)
{
	for (unsigned i = 0; i < view->row_count; i++) {
		if (cothon_flow_equal(&view->rows[i].info.flow, &info->flow) &&
		    view->rows[i].info.opened_at == info->opened_at)
			return &view->rows[i];
	}
	if (view->row_count == MAX_ROWS)
		return NULL;
	view->rows[view->row_count] = (struct row){ .info = *info };
	return &view->rows[view->row_count++];
}

static void look(const struct cothon_tcp *tcp, void *context)
{
	struct flow_view *view = context;
	struct cothon_tcp_info info;
	struct row *row;

	cothon_tcp_info(tcp, &info);
	if (info.state == COTHON_TCP_TIME_WAIT)
		return;
	view->flow_count++;
	view->ports[info.flow.remote_port / 8] |= (uint8_t)(1 << info.flow.remote_port % 8);
	row = find_row(view, &info);
	if (!row)
		return;
	row->info = info;
	row->seen = true;
}

static void forget_unseen(struct flow_view *view, double seconds)
{
	unsigned kept = 0;

	view->rate = 0;
	for (unsigned i = 0; i < view->row_count; i++) {
		struct row *row = &view->rows[i];

		if (!row->seen)
			continue;
		/* What the stack has sent and seen acknowledged went into the application. */
		row->rate = (double)(row->info.bytes_out - row->last_in + row->info.bytes_in -
				     row->last_out) / seconds;
		row->last_in = row->info.bytes_out;
		row->last_out = row->info.bytes_in;
		row->seen = false;
		view->rate += row->rate;
		view->rows[kept++] = *row;
	}
	view->row_count = kept;
}

static int by_bytes(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	uint64_t of_x = x->info.bytes_in + x->info.bytes_out;
	uint64_t of_y = y->info.bytes_in + y->info.bytes_out;

	return of_x < of_y ? 1 : of_x > of_y ? -1 : 0;
}

static void take_a_look(struct flow_view *view, struct cothon_stack *stack, uint64_t now)
{
	double seconds = (double)(now - view->looked_at) / 1e6;

	view->flow_count = 0;
	cothon_tcp_each(stack, look, view);
	forget_unseen(view, seconds > 0.001 ? seconds : 0.001);
	view->looked_at = now;
	qsort(view->rows, view->row_count, sizeof(*view->rows), by_bytes);
}

/* Drawing */

static void erase(struct flow_view *view)
{
	if (view->lines)
		fprintf(view->out, "\033[%uA\r\033[J", view->lines);
	view->lines = 0;
}

static void draw_row(struct flow_view *view, const struct row *row)
{
	char service[SERVICE_TEXT], outside[COTHON_ENDPOINT_TEXT], in[16], out[16], rate[16];
	struct cothon_endpoint far = cothon_flow_local(&row->info.flow);

	fprintf(view->out, " %5u %s %-10.10s %-24.24s %9s %9s %12s\n", row->info.flow.remote_port,
		row->info.active ? "<-" : "->", service_name(&row->info, service),
		cothon_endpoint_format(&far, outside), bytes_text((double)row->info.bytes_out, in),
		bytes_text((double)row->info.bytes_in, out), rate_text(row->rate, rate));
	view->lines++;
}

static void draw(struct flow_view *view)
{
	struct winsize size = { 0 };
	char rate[16];
	unsigned room = 20;

	if (ioctl(fileno(view->out), TIOCGWINSZ, &size) == 0 && size.ws_row > 6)
		room = size.ws_row - 4u;
	fprintf(view->out, "%u flows now, %u ended, %s over one link\n", view->flow_count,
		view->ended, rate_text(view->rate, rate));
	fprintf(view->out, " %5s    %-10s %-24s %9s %9s %12s\n", "port", "service", "outside", "in",
		"out", "rate");
	view->lines = 2;
	for (unsigned i = 0; i < view->row_count && i < room; i++)
		draw_row(view, &view->rows[i]);
	if (view->flow_count > room) {
		fprintf(view->out, " and %u more\n", view->flow_count - room);
		view->lines++;
	}
	fflush(view->out);
}

void flow_view_update(struct flow_view *view, struct cothon_stack *stack, uint64_t now)
{
	take_a_look(view, stack, now);
	if (!view->live)
		return;
	erase(view);
	draw(view);
}

/* What was seen */

static struct service *find_service(struct flow_view *view, const char *name)
{
	for (unsigned i = 0; i < view->service_count; i++) {
		if (strcmp(view->services[i].name, name) == 0)
			return &view->services[i];
	}
	if (view->service_count == MAX_SERVICES)
		return &view->services[MAX_SERVICES - 1];
	snprintf(view->services[view->service_count].name, SERVICE_TEXT, "%s", name);
	return &view->services[view->service_count++];
}

static void count(struct flow_view *view, const struct cothon_tcp_info *info)
{
	char name[SERVICE_TEXT];
	struct service *service = find_service(view, service_name(info, name));

	view->ports[info->flow.remote_port / 8] |= (uint8_t)(1 << info->flow.remote_port % 8);
	service->flows++;
	service->in += info->bytes_out;
	service->out += info->bytes_in;
	view->in += info->bytes_out;
	view->out_bytes += info->bytes_in;
}

void flow_view_ended(struct flow_view *view, const struct cothon_tcp_info *info)
{
	view->ended++;
	count(view, info);
}

static void count_open(const struct cothon_tcp *tcp, void *context)
{
	struct cothon_tcp_info info;

	cothon_tcp_info(tcp, &info);
	if (info.state != COTHON_TCP_TIME_WAIT)
		count(context, &info);
}

static void print_ports(const struct flow_view *view)
{
	unsigned ports[3] = { 0 };

	for (unsigned port = 0; port < MAX_PORTS; port++) {
		if (view->ports[port / 8] & 1 << port % 8)
			ports[cothon_port_class((uint16_t)port)]++;
	}
	fprintf(view->out, "ports that the applications had: %u system, %u user, %u dynamic\n",
		ports[COTHON_PORT_SYSTEM], ports[COTHON_PORT_USER], ports[COTHON_PORT_DYNAMIC]);
}

void flow_view_finish(struct flow_view *view, struct cothon_stack *stack, uint64_t now)
{
	double seconds = (double)(now - view->started_at) / 1e6;
	char in[16], out[16], rate[16];
	unsigned flows = 0;

	erase(view);
	cothon_tcp_each(stack, count_open, view);
	for (unsigned i = 0; i < view->service_count; i++) {
		const struct service *service = &view->services[i];

		flows += service->flows;
		fprintf(view->out, "%-12s %5u flows, %9s in, %9s out\n", service->name,
			service->flows, bytes_text((double)service->in, in),
			bytes_text((double)service->out, out));
	}
	print_ports(view);
	fprintf(view->out, "%u flows over one link in %.1f s: %s in, %s out, %s\n", flows, seconds,
		bytes_text((double)view->in, in), bytes_text((double)view->out_bytes, out),
		rate_text((double)(view->in + view->out_bytes) / (seconds > 0 ? seconds : 1), rate));
	fflush(view->out);
}
