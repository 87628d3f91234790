/* SPDX-License-Identifier: MIT */
#include "top/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- rates --- */

static uint64_t grown(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

void top_rates_take(struct top_rates *rates, uint64_t bytes_in, uint64_t bytes_out, double seconds)
{
	if (rates->known && seconds > 0) {
		rates->in = (double)grown(bytes_in, rates->bytes_in) / seconds;
		rates->out = (double)grown(bytes_out, rates->bytes_out) / seconds;
		rates->history[rates->seen++ % TOP_HISTORY] = (float)(rates->in + rates->out);
	}
	rates->bytes_in = bytes_in;
	rates->bytes_out = bytes_out;
	rates->known = true;
}

double top_rates_before(const struct top_rates *rates, unsigned ago)
{
	if (ago >= TOP_HISTORY || ago >= rates->seen)
		return 0;
	return (double)rates->history[(rates->seen - 1 - ago) % TOP_HISTORY];
}

/* --- reading JSON; what is missing or of another kind is empty --- */

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static uint64_t number_of(const json_t *object, const char *name)
{
	json_int_t number = json_integer_value(json_object_get(object, name));

	return number > 0 ? (uint64_t)number : 0;
}

static double real_of(const json_t *object, const char *name)
{
	return json_number_value(json_object_get(object, name));
}

static void copy(char *to, size_t room, const char *from)
{
	snprintf(to, room, "%s", from);
}

/* "example.org:443", "[2001:db8::1]:443"; "*" for none. */
static void write_end(char text[static TOP_END], const json_t *endpoint, const char *name)
{
	const char *address = text_of(endpoint, "address");
	unsigned port = (unsigned)number_of(endpoint, "port");

	if (!*address)
		copy(text, TOP_END, "*");
	else if (*name)
		snprintf(text, TOP_END, "%s:%u", name, port);
	else if (strchr(address, ':'))
		snprintf(text, TOP_END, "[%s]:%u", address, port);
	else
		snprintf(text, TOP_END, "%s:%u", address, port);
}

/* The names that ss(8) and its kin use, shorter than those of the RFC. */
static const char *short_state(const char *state)
{
	if (strcmp(state, "ESTABLISHED") == 0)
		return "ESTAB";
	if (strcmp(state, "SYN-RECEIVED") == 0)
		return "SYN-RECV";
	return state;
}

/* --- keys --- */

enum {
	KEY = 2 * TOP_END + 64
};

/* What tells a flow from others: for UDP and echo the end inside is enough. */
static void write_key(char key[static KEY], const json_t *flow)
{
	char local[TOP_END], remote[TOP_END] = "";
	const char *transport = text_of(flow, "transport");

	write_end(local, json_object_get(flow, "local"), "");
	if (strcmp(transport, "tcp") == 0)
		write_end(remote, json_object_get(flow, "remote"), "");
	snprintf(key, KEY, "%s %s %s", transport, local, remote);
}

/* --- sandboxes --- */

static struct top_sandbox *find_sandbox(struct top_model *model, const char *name)
{
	for (size_t i = 0; i < model->sandbox_count; i++) {
		if (strcmp(model->sandboxes[i].name, name) == 0)
			return &model->sandboxes[i];
	}
	return NULL;
}

const struct top_sandbox *top_model_sandbox(const struct top_model *model, const char *name)
{
	return find_sandbox((struct top_model *)(uintptr_t)model, name);
}

static void forget_sandbox(struct top_sandbox *sandbox)
{
	json_decref(sandbox->ports);
	json_decref(sandbox->owners);
}

static struct top_sandbox *obtain_sandbox(struct top_model *model, const char *name)
{
	struct top_sandbox *sandbox = find_sandbox(model, name), *grown_list;

	if (sandbox)
		return sandbox;
	grown_list = reallocarray(model->sandboxes, model->sandbox_count + 1, sizeof(*sandbox));
	if (!grown_list)
		return NULL;
	model->sandboxes = grown_list;
	sandbox = &grown_list[model->sandbox_count++];
	*sandbox = (struct top_sandbox){0};
	copy(sandbox->name, sizeof(sandbox->name), name);
	return sandbox;
}

static void drop_the_gone(struct top_model *model)
{
	size_t kept = 0;

	for (size_t i = 0; i < model->sandbox_count; i++) {
		if (model->sandboxes[i].gone)
			forget_sandbox(&model->sandboxes[i]);
		else
			model->sandboxes[kept++] = model->sandboxes[i];
	}
	model->sandbox_count = kept;
}

/* Keeps an answer of /v1/ports, and who holds which flow. */
static void take_ports(struct top_sandbox *sandbox, json_t *ports)
{
	json_t *owners = json_object();
	const json_t *flow;
	char key[KEY];
	size_t i;

	json_array_foreach(json_object_get(ports, "flows"), i, flow)
	{
		write_key(key, flow);
		json_object_set(owners, key, (json_t *)(uintptr_t)flow);
	}
	json_decref(sandbox->ports);
	json_decref(sandbox->owners);
	sandbox->ports = json_incref(ports);
	sandbox->owners = owners;
}

/* Takes the totals of an answer. Returns the seconds since the last one; 0: there was none. */
static double take_totals(struct top_sandbox *sandbox, const json_t *flows)
{
	const json_t *totals = json_object_get(flows, "totals");
	double now = real_of(flows, "now");
	double seconds = sandbox->rates.known && now > sandbox->now ? now - sandbox->now : 0;

	top_rates_take(&sandbox->rates, number_of(totals, "bytes_in"),
		       number_of(totals, "bytes_out"), seconds);
	sandbox->denied = number_of(totals, "denied");
	sandbox->retransmits = number_of(totals, "retransmits");
	sandbox->frames_in = number_of(totals, "frames_in");
	sandbox->frames_out = number_of(totals, "frames_out");
	sandbox->now = now;
	return seconds;
}

/* --- a new picture, made beside the old one --- */

struct picture {
	struct top_model *old;
	struct top_application *applications;
	size_t application_count, application_room;
	struct top_port *ports;
	size_t port_count, port_room;
	struct top_flow *flows;
	size_t flow_count, flow_room;
	json_t *by_name;   /* "sandbox pid command": place in applications */
	json_t *old_flows; /* "sandbox key": place in the old flows */
	json_t *old_applications;
	int error;
};

/* Room for one more; NULL, with the error kept, when there is none. */
static void *grow(struct picture *picture, void *list, size_t count, size_t *room, size_t size)
{
	size_t wanted = *room ? 2 * *room : 64;
	void *grown_list;

	if (count < *room)
		return list;
	grown_list = reallocarray(list, wanted, size);
	if (!grown_list) {
		picture->error = -ENOMEM;
		return NULL;
	}
	*room = wanted;
	return grown_list;
}

static void application_key(char key[static KEY], const char *sandbox, int pid, const char *command)
{
	snprintf(key, KEY, "%s %d %s", sandbox, pid, command);
}

/* The application of an item's first holder, made when it is new. Returns false without memory. */
static bool application_of(struct picture *picture, const char *sandbox, const json_t *item,
			   size_t *place)
{
	const json_t *first = json_array_get(json_object_get(item, "applications"), 0);
	const char *command = text_of(first, "command");
	int pid = (int)number_of(first, "pid");
	struct top_application *made;
	const json_t *known;
	char key[KEY];

	application_key(key, sandbox, pid, command);
	known = json_object_get(picture->by_name, key);
	*place = known ? (size_t)json_integer_value(known) : SIZE_MAX;
	if (*place < picture->application_count)
		return true;
	made = grow(picture, picture->applications, picture->application_count,
		    &picture->application_room, sizeof(*made));
	if (!made)
		return false;
	picture->applications = made;
	*place = picture->application_count++;
	made += *place;
	*made = (struct top_application){.pid = pid};
	copy(made->sandbox, sizeof(made->sandbox), sandbox);
	copy(made->command, sizeof(made->command), command);
	json_object_set_new(picture->by_name, key, json_integer((json_int_t)*place));
	known = json_object_get(picture->old_applications, key);
	if (known) {
		const struct top_application *before =
			&picture->old->applications[json_integer_value(known)];

		made->rates = before->rates;
		made->folded = before->folded;
	}
	return true;
}

static void add_port(struct picture *picture, const char *sandbox, const json_t *binding)
{
	struct top_port *port = grow(picture, picture->ports, picture->port_count,
				     &picture->port_room, sizeof(*port));
	bool dual = json_is_true(json_object_get(binding, "dual_stack"));
	size_t place;

	if (port)
		picture->ports = port;
	if (!port || !application_of(picture, sandbox, binding, &place))
		return;
	port += picture->port_count++;
	*port = (struct top_port){.application = place,
				  .port = (unsigned)number_of(binding, "port")};
	copy(port->sandbox, sizeof(port->sandbox), sandbox);
	copy(port->transport, sizeof(port->transport), text_of(binding, "transport"));
	copy(port->address, sizeof(port->address), dual ? "*" : text_of(binding, "address"));
	copy(port->service, sizeof(port->service), text_of(binding, "service"));
	picture->applications[place].ports++;
}

/* What a rule against the far end of a flow would say. */
static void write_destination(struct top_flow *flow, const json_t *remote, const char *name)
{
	const char *address = text_of(remote, "address");
	char end[TOP_END];

	if (flow->published || flow->inside || !*address)
		return;
	write_end(end, remote, name);
	if (strcmp(flow->transport, "echo") == 0)
		copy(flow->destination, sizeof(flow->destination), *name ? name : address);
	else
		snprintf(flow->destination, sizeof(flow->destination), "%.270s/%s", end,
			 flow->transport);
}

static void take_flow(struct picture *picture, struct top_sandbox *sandbox, const json_t *json,
		      struct top_flow *flow, double seconds)
{
	char key[KEY], wide[KEY + TOP_NAME];
	const json_t *owner, *remote, *old;

	write_key(key, json);
	owner = json_object_get(sandbox->owners, key);
	sandbox->strangers += !owner;
	/* Of UDP only the sockets know where they are connected to. */
	remote = json_object_get(json_is_object(json_object_get(json, "remote")) ? json : owner,
				 "remote");
	copy(flow->sandbox, sizeof(flow->sandbox), sandbox->name);
	copy(flow->transport, sizeof(flow->transport), text_of(json, "transport"));
	copy(flow->service, sizeof(flow->service), text_of(json, "service"));
	copy(flow->state, sizeof(flow->state), short_state(text_of(json, "state")));
	flow->published = json_is_true(json_object_get(json, "published"));
	flow->inside = strcmp(text_of(json, "through"), "inside") == 0;
	flow->delay = real_of(json, "round_trip");
	flow->opened = real_of(json, "opened");
	flow->retransmits = number_of(json, "retransmits");
	write_end(flow->local, json_object_get(json, "local"), "");
	write_end(flow->remote, remote, text_of(json, "name"));
	write_destination(flow, remote, text_of(json, "name"));
	flow->named = json_pack("{sO, sO, sO}", "transport", json_object_get(json, "transport"),
				"local", json_object_get(json, "local"), "remote",
				json_object_get(json, "remote"));
	snprintf(wide, sizeof(wide), "%s %s", sandbox->name, key);
	old = json_object_get(picture->old_flows, wide);
	if (old) {
		const struct top_flow *before = &picture->old->flows[json_integer_value(old)];

		/* The same endpoints may have come to another flow. */
		if (before->opened == flow->opened)
			flow->rates = before->rates;
	}
	top_rates_take(&flow->rates, number_of(json, "bytes_in"), number_of(json, "bytes_out"),
		       seconds);
	if (!application_of(picture, sandbox->name, owner, &flow->application))
		json_decref(flow->named);
}

static void add_flow(struct picture *picture, struct top_sandbox *sandbox, const json_t *json,
		     double seconds)
{
	struct top_flow *flow = grow(picture, picture->flows, picture->flow_count,
				     &picture->flow_room, sizeof(*flow));
	struct top_application *application;

	if (!flow)
		return;
	picture->flows = flow;
	flow += picture->flow_count;
	*flow = (struct top_flow){0};
	take_flow(picture, sandbox, json, flow, seconds);
	if (picture->error)
		return;
	picture->flow_count++;
	application = &picture->applications[flow->application];
	application->flows++;
	if (flow->delay > application->delay)
		application->delay = flow->delay;
}

static void add_sandbox(struct picture *picture, struct top_sandbox *sandbox,
			const struct top_look *look)
{
	const json_t *item;
	double seconds;
	size_t i;

	sandbox->gone = false;
	sandbox->strangers = 0;
	if (look->ports)
		take_ports(sandbox, look->ports);
	seconds = take_totals(sandbox, look->flows);
	json_array_foreach(json_object_get(sandbox->ports, "bindings"), i, item)
		add_port(picture, sandbox->name, item);
	json_array_foreach(json_object_get(look->flows, "flows"), i, item)
		add_flow(picture, sandbox, item, seconds);
	/* Those within the sandbox are as old as the last look at the ports. */
	json_array_foreach(json_object_get(sandbox->ports, "flows"), i, item)
	{
		if (strcmp(text_of(item, "through"), "inside") == 0)
			add_flow(picture, sandbox, item, seconds);
	}
}

/* --- from one picture to the next --- */

static void index_old(struct picture *picture)
{
	const struct top_model *old = picture->old;
	char key[KEY], wide[KEY + TOP_NAME];

	picture->by_name = json_object();
	picture->old_flows = json_object();
	picture->old_applications = json_object();
	for (size_t i = 0; i < old->flow_count; i++) {
		write_key(key, old->flows[i].named);
		snprintf(wide, sizeof(wide), "%s %s", old->flows[i].sandbox, key);
		json_object_set_new(picture->old_flows, wide, json_integer((json_int_t)i));
	}
	for (size_t i = 0; i < old->application_count; i++) {
		application_key(key, old->applications[i].sandbox, old->applications[i].pid,
				old->applications[i].command);
		json_object_set_new(picture->old_applications, key, json_integer((json_int_t)i));
	}
}

/* An application is as fast as its flows together. */
static void sum_up(struct picture *picture)
{
	for (size_t i = 0; i < picture->application_count; i++) {
		struct top_rates *rates = &picture->applications[i].rates;

		rates->in = rates->out = 0;
		rates->bytes_in = rates->bytes_out = 0;
	}
	for (size_t i = 0; i < picture->flow_count; i++) {
		const struct top_flow *flow = &picture->flows[i];
		struct top_rates *rates = &picture->applications[flow->application].rates;

		rates->in += flow->rates.in;
		rates->out += flow->rates.out;
		rates->bytes_in += flow->rates.bytes_in;
		rates->bytes_out += flow->rates.bytes_out;
	}
	for (size_t i = 0; i < picture->application_count; i++) {
		struct top_rates *rates = &picture->applications[i].rates;

		rates->history[rates->seen++ % TOP_HISTORY] = (float)(rates->in + rates->out);
	}
}

static void free_picture(struct top_model *model)
{
	for (size_t i = 0; i < model->flow_count; i++)
		json_decref(model->flows[i].named);
	free(model->flows);
	free(model->ports);
	free(model->applications);
}

int top_model_take(struct top_model *model, const struct top_look *looks, size_t count)
{
	struct picture picture = {.old = model};

	index_old(&picture);
	for (size_t i = 0; i < model->sandbox_count; i++)
		model->sandboxes[i].gone = true;
	for (size_t i = 0; i < count; i++) {
		struct top_sandbox *sandbox = obtain_sandbox(model, looks[i].sandbox);

		if (sandbox)
			add_sandbox(&picture, sandbox, &looks[i]);
		else
			picture.error = -ENOMEM;
	}
	drop_the_gone(model);
	sum_up(&picture);
	json_decref(picture.by_name);
	json_decref(picture.old_flows);
	json_decref(picture.old_applications);
	free_picture(model);
	model->applications = picture.applications;
	model->application_count = picture.application_count;
	model->ports = picture.ports;
	model->port_count = picture.port_count;
	model->flows = picture.flows;
	model->flow_count = picture.flow_count;
	return picture.error;
}

void top_model_free(struct top_model *model)
{
	free_picture(model);
	for (size_t i = 0; i < model->sandbox_count; i++)
		forget_sandbox(&model->sandboxes[i]);
	free(model->sandboxes);
	*model = (struct top_model){0};
}
