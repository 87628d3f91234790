/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/options.h"

#include <cothon/service.h>

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
	/* Names offered for one that is unknown. */
	NEAREST = 5,
	ANY_CLASS = -1,
};

/* What is asked for: everything, or what one operand says. */
struct query {
	const char *name; /* NULL: any */
	size_t name_len;
	uint16_t port;      /* 0: any */
	unsigned transport; /* 0: any */
	int class;          /* enum cothon_port_class or ANY_CLASS */
};

/* What the options say, and what is listed so far. */
struct listing {
	int class; /* enum cothon_port_class or ANY_CLASS */
	bool json;
	json_t *array; /* with `json`: what has been found */
};

/* The exit status for an operand that names nothing. */
enum {
	UNKNOWN = 1
};

/* What it means for a port to be of a class, for one that no service has. */
static const struct {
	uint16_t first, last;
	const char *also, *meaning;
} classes[] = {
	[COTHON_PORT_SYSTEM] =
		{0, COTHON_PORT_SYSTEM_LAST, "well-known",
		 "IANA assigns these by its strictest rules; on most hosts a program needs a "
		 "privilege to\n  listen on one."},
	[COTHON_PORT_USER] =
		{COTHON_PORT_SYSTEM_LAST + 1, COTHON_PORT_USER_LAST, "registered",
		 "IANA assigns these to whoever registers a service; any program may listen "
		 "on one."},
	[COTHON_PORT_DYNAMIC] =
		{COTHON_PORT_USER_LAST + 1, COTHON_PORT_LAST, "private, ephemeral",
		 "IANA never assigns these; a host gives them to the client's side of a flow, "
		 "for as\n  long as the flow lasts."},
};

static int take_class(void *target, const char *value, struct cli_error *error)
{
	struct listing *listing = target;

	for (int class = COTHON_PORT_SYSTEM; class <= COTHON_PORT_DYNAMIC; class ++) {
		if (strcmp(value, cothon_port_class_name((enum cothon_port_class) class)) == 0) {
			listing->class = class;
			return 0;
		}
	}
	return cli_error(error, "a class of ports is one of system, user and dynamic");
}

CLI_OPTION_FLAG(take_json, struct listing, json)

static const struct cli_option options[] = {
	{.name = "class",
	 .argument = "system|user|dynamic",
	 .help = "only ports of this class: 0-1023, 1024-49151 or 49152-65535",
	 .take = take_class},
	{.name = "json",
	 .help = "an array of objects with name, first_port, last_port, transport,\n"
		 "class and description; a port without a service has none",
	 .take = take_json},
	{0},
};

static const struct cli_syntax syntax = {
	.name = "services",
	.examples = "  cothon services http                 which ports are http?\n"
		    "  cothon services 443 53/udp 6010      whose ports are these?\n"
		    "  cothon services --class system       all system ports that have a service\n"
		    "  cothon services --json | jq length   all of it for a program",
	.usage = "cothon services [--class CLASS] [--json] [PORT|SERVICE[/TRANSPORT]]...",
	.summary =
		"Prints what IANA's registry has, a line for each name, port and transport (tcp,\n"
		"udp, dccp, sctp); without a name or a port, all of it. Of several names of a\n"
		"port the first is the one that Cothon shows. The exit status is 1 when a name is\n"
		"unknown.",
	.options = options,
};

static bool matches(const struct query *query, const struct cothon_service *service)
{
	if (query->name && (strncasecmp(service->name, query->name, query->name_len) != 0 ||
			    service->name[query->name_len]))
		return false;
	if (query->port && (query->port < service->port || query->port > service->last_port))
		return false;
	if (query->transport && query->transport != service->transport)
		return false;
	return query->class == ANY_CLASS || query->class == (int)cothon_port_class(service->port);
}

/* A line as services(5) has it. */
static void print_service(const struct cothon_service *service)
{
	char port[32];
	const char *transport = cothon_transport_name(service->transport);
	const char *description = cothon_service_description(service);

	if (service->last_port > service->port)
		snprintf(port, sizeof(port), "%u-%u/%s", service->port, service->last_port,
			 transport);
	else
		snprintf(port, sizeof(port), "%u/%s", service->port, transport);
	if (description[0])
		printf("%-15s %-15s # %s\n", service->name, port, description);
	else
		printf("%-15s %s\n", service->name, port);
}

/* What a port without a service has none of is null. */
static void add_object(struct listing *listing, const struct cothon_service *service, uint16_t port,
		       const char *transport)
{
	uint16_t first = service ? service->port : port;
	uint16_t last = service ? service->last_port : port;

	json_array_append_new(listing->array,
			      json_pack("{s:s?, s:i, s:i, s:s?, s:s, s:s?}", "name",
					service ? service->name : NULL, "first_port", first,
					"last_port", last, "transport", transport, "class",
					cothon_port_class_name(cothon_port_class(first)),
					"description",
					service ? cothon_service_description(service) : NULL));
}

static void show(struct listing *listing, const struct cothon_service *service)
{
	if (listing->json)
		add_object(listing, service, 0, cothon_transport_name(service->transport));
	else
		print_service(service);
}

/* Shows what matches; returns how many lines that were. */
static size_t show_matches(struct listing *listing, const struct query *query)
{
	size_t count, shown = 0;
	const struct cothon_service *all = cothon_service_all(&count);

	for (size_t i = 0; i < count; i++) {
		if (matches(query, &all[i])) {
			show(listing, &all[i]);
			shown++;
		}
	}
	return shown;
}

static void print_class(enum cothon_port_class class)
{
	printf("(%s port, %u-%u; also called %s)\n  %s\n", cothon_port_class_name(class),
	       classes[class].first, classes[class].last, classes[class].also,
	       classes[class].meaning);
}

/* Splits PORT/TRANSPORT or NAME/TRANSPORT. A historic name may hold a slash itself ("914c/g"). */
static int read_operand(const char *text, struct query *query)
{
	const char *slash = strrchr(text, '/');
	size_t len = strlen(text);
	uint16_t port = 0;

	if (slash && !cothon_service_by_name(text, 0)) {
		query->transport = cothon_transport_by_name(slash + 1, strlen(slash + 1));
		if (!query->transport) {
			cli_message("services",
				    "%s: \"%s\" is not a transport; those with ports are tcp, udp, "
				    "dccp and sctp",
				    text, slash + 1);
			return -EINVAL;
		}
		len = (size_t)(slash - text);
	}
	int error = cothon_port_parse(text, len, 0, &port);
	if (error == -ERANGE) {
		cli_message("services", "%.*s is not a port: ports are 1 to 65535", (int)len, text);
	} else if (error == -EINVAL) {
		cli_message("services",
			    "\"%.*s\" is neither a port (1 to 65535) nor a service's name",
			    (int)len, text);
	} else if (error == 0 && strspn(text, "0123456789") >= len) {
		query->port = port;
	} else {
		/* Known or not: a known name may lack the transport. */
		query->name = text;
		query->name_len = len;
		error = 0;
	}
	return error;
}

/* A name that is not in the registry. */
static void offer_nearest(const struct query *query)
{
	const char *nearest[NEAREST];
	size_t count = cothon_service_nearest(query->name, query->name_len, nearest, NEAREST);
	char list[NEAREST * (COTHON_SERVICE_NAME + 4)] = "";
	size_t len = 0;

	for (size_t i = 0; i < count; i++) {
		const char *separator = i == 0 ? "" : i + 1 < count ? ", " : " or ";
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", separator,
					nearest[i]);
	}
	if (count > 0)
		cli_message("services", "there is no service \"%.*s\"; did you mean %s?",
			    (int)query->name_len, query->name, list);
	else
		cli_message("services",
			    "there is no service \"%.*s\", and none with a name like it; "
			    "`cothon services` lists all",
			    (int)query->name_len, query->name);
}

/* Says what a port is that no service has; returns the exit status. */
static int show_unassigned(struct listing *listing, const char *text, const struct query *query)
{
	enum cothon_port_class own = cothon_port_class(query->port);

	if (query->class != ANY_CLASS && query->class != (int)own) {
		cli_message("services", "%s: this is a %s port, not a %s one", text,
			    cothon_port_class_name(own),
			    cothon_port_class_name((enum cothon_port_class)query->class));
		return UNKNOWN;
	}
	if (listing->json) {
		add_object(listing, NULL, query->port, cothon_transport_name(query->transport));
	} else {
		printf("%s: no service ", text);
		print_class(own);
	}
	return CLI_OK;
}

/* Says why no service of the name matched; returns the exit status. */
static int explain_none(const struct query *query)
{
	const char *class = query->class == ANY_CLASS
				    ? NULL
				    : cothon_port_class_name((enum cothon_port_class)query->class);
	const char *transport = cothon_transport_name(query->transport);
	char name[COTHON_SERVICE_NAME];

	snprintf(name, sizeof(name), "%.*s", (int)query->name_len, query->name);
	if (query->name_len < sizeof(name) && cothon_service_by_name(name, 0))
		cli_message("services", "the service \"%s\" has no %s%sport%s%s", name,
			    class ? class : "", class ? " " : "", transport ? " on " : "",
			    transport ? transport : "");
	else
		offer_nearest(query);
	return UNKNOWN;
}

static int show_operand(struct listing *listing, const char *text)
{
	struct query query = {.class = listing->class};

	if (read_operand(text, &query) < 0)
		return UNKNOWN;
	if (show_matches(listing, &query) > 0)
		return CLI_OK;
	return query.port ? show_unassigned(listing, text, &query) : explain_none(&query);
}

static void show_all(struct listing *listing)
{
	const struct query query = {.class = listing->class};

	/* There is a class without a service, and not by chance. */
	if (show_matches(listing, &query) == 0 && !listing->json) {
		printf("no service ");
		print_class((enum cothon_port_class)listing->class);
	}
}

/* Shows what the operands, up to a NULL, ask for; returns the exit status. */
static int show_operands(struct listing *listing, char **operands)
{
	int status = CLI_OK;

	if (!*operands)
		show_all(listing);
	for (; *operands; operands++) {
		int one = show_operand(listing, *operands);
		if (one != CLI_OK)
			status = one;
	}
	if (listing->json) {
		json_dumpf(listing->array, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	return status;
}

int cli_services(int argc, char **argv)
{
	struct cli_error error;
	struct listing listing = {.class = ANY_CLASS};
	int first = cli_options_read(&syntax, argc, argv, &listing, &error);
	int status;

	if (first < 0) {
		cli_message("services", "%s", error.text);
		return CLI_FAILED;
	}
	if (first == 0) {
		cli_options_help(&syntax);
		return CLI_OK;
	}
	if (listing.json)
		listing.array = json_array();
	status = show_operands(&listing, argv + first);
	json_decref(listing.array);
	if (fflush(stdout) != 0) {
		cli_message("services", "the output cannot be written: %s", strerror(errno));
		return CLI_FAILED;
	}
	return status;
}
