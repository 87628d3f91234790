/* SPDX-License-Identifier: MIT */

/*
 * POST /v1/web: a page that shows the sandbox, on a port of the host's loopback, for as long as the
 * connection of the one who asked.
 *
 * Others on this host, and in the sandbox with --host-loopback, can connect to the port; and a page of
 * any origin can have the browser do so. What is behind /v1/ therefore needs a token that only the
 * page's address has, in a header field: no other origin's page may send that one without being asked
 * first (Fetch, CORS preflight), which is never answered with yes. The Host field must be the loopback's, so that
 * a foreign name which is made to lead here (DNS rebinding) gets nothing.
 */

#include "control/fields.h"
#include "control/page/page.h"
#include "control/routes.h"
#include "host/socket.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	TOKEN_MIN = 32,
	TOKEN_MAX = 96,
	/* Pages of all browsers together; each opens some six. */
	CONNECTIONS = 64,
};

struct web {
	struct control_server *server;
	int listener;
	uint16_t port;
	char expected[sizeof("Bearer ") + TOKEN_MAX]; /* in the field Authorization */
};

static const char headers[] =
	"Cache-Control: no-store\r\n"
	"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
	"connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
	"frame-ancestors 'none'\r\n"
	"Cross-Origin-Opener-Policy: same-origin\r\n"
	"Cross-Origin-Resource-Policy: same-origin\r\n"
	"Referrer-Policy: no-referrer\r\n"
	"X-Content-Type-Options: nosniff\r\n";

/* --- what is served --- */

static void serve_file(struct control_request *request)
{
	for (const struct control_page_file *file = control_page_files; file->path; file++) {
		if (strcmp(file->path, request->path) == 0) {
			control_answer_text(request, HTTP_STATUS_OK, file->type, file->bytes,
					    file->len);
			return;
		}
	}
	control_refuse(request, HTTP_STATUS_NOT_FOUND, NULL, "there is no such file");
}

/* Nothing that hands out descriptors, and nothing that the page does not need. */
static const struct control_route routes[] = {
	{HTTP_GET, "/", serve_file},
	{HTTP_GET, "/page.css", serve_file},
	{HTTP_GET, "/model.js", serve_file},
	{HTTP_GET, "/page.js", serve_file},
	{HTTP_GET, "/icon.svg", serve_file},
	{HTTP_GET, "/v1/sandbox", control_sandbox_get},
	{HTTP_GET, "/v1/publications", control_publications_get},
	{HTTP_POST, "/v1/publications", control_publications_post},
	{HTTP_DELETE, "/v1/publications", control_publications_delete},
	{HTTP_GET, "/v1/ports", control_ports_get},
	{HTTP_GET, "/v1/flows", control_flows_get},
	{HTTP_DELETE, "/v1/flows", control_flows_delete},
	{HTTP_GET, "/v1/rules", control_rules_get},
	{HTTP_POST, "/v1/rules", control_rules_post},
	{HTTP_GET, "/v1/denials", control_denials_get},
	{0},
};

/* --- who may have it --- */

/* Whether the texts are the same, in a time that does not tell where they differ. */
static bool same_secret(const char *said, const char *expected)
{
	size_t len = strlen(expected), said_len = strlen(said);
	unsigned difference = said_len != len;

	for (size_t i = 0; i < len; i++)
		difference |= (unsigned)(unsigned char)expected[i] ^
			      (unsigned)(unsigned char)(said_len > 0 ? said[i % said_len] : 0);
	return difference == 0;
}

static bool is_own_host(const struct web *web, const char *host)
{
	char address[32], name[32];

	snprintf(address, sizeof(address), "127.0.0.1:%u", web->port);
	snprintf(name, sizeof(name), "localhost:%u", web->port);
	return strcmp(host, address) == 0 || strcasecmp(host, name) == 0;
}

static bool admits(struct control_request *request, void *context)
{
	const struct web *web = context;

	if (!is_own_host(web, request->host)) {
		control_refuse(request, HTTP_STATUS_MISDIRECTED_REQUEST,
			       "open the address that `cothon web` has printed",
			       "this is not the host of that name");
		return false;
	}
	if (strncmp(request->path, "/v1/", 4) == 0 &&
	    !same_secret(request->authorization, web->expected)) {
		control_refuse(
			request, HTTP_STATUS_UNAUTHORIZED,
			"open the address that `cothon web` has printed, with all behind the #",
			"the token is missing or wrong");
		return false;
	}
	return true;
}

/* Any user of this host may connect: the token tells them apart. */
static bool allows(void *context, int fd)
{
	(void)context;
	(void)fd;
	return true;
}

/* --- the request --- */

static void end(void *owner)
{
	struct web *web = owner;

	if (web->server)
		control_server_destroy(web->server);
	close(web->listener);
	explicit_bzero(web->expected, sizeof(web->expected));
	free(web);
}

static int option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -1 : value;
}

/* Whether it is what is asked for: a listening socket on 127.0.0.1 that never blocks. */
static bool is_listener(int fd, uint16_t *port)
{
	static const uint8_t loopback[] = {127, 0, 0, 1};
	const struct cothon_addr expected = cothon_addr_ipv4(loopback);
	struct cothon_endpoint local;
	int flags = fcntl(fd, F_GETFL);

	if (option(fd, SO_DOMAIN) != AF_INET || option(fd, SO_TYPE) != SOCK_STREAM ||
	    option(fd, SO_ACCEPTCONN) != 1 || flags < 0 || !(flags & O_NONBLOCK))
		return false;
	local = host_socket_local(fd);
	*port = local.port;
	return cothon_addr_equal(&local.addr, &expected);
}

/* Reads {"token": ...}; what is wrong is noted in `body`. */
static const char *read_token(struct control_fields *body, const struct control_request *request)
{
	static const char *const known[] = {"token", NULL};
	const char *token;
	size_t len;

	control_fields_begin(body, request->body, "the body");
	control_fields_only(body, known);
	token = control_fields_text(body, "token");
	for (len = 0; isalnum((unsigned char)token[len]) || token[len] == '-' || token[len] == '_';)
		len++;
	if (token[len] || len < TOKEN_MIN || len > TOKEN_MAX)
		control_fields_fail(body, "write 32 to 96 letters, digits, - and _, by chance",
				    "the token is none");
	return token;
}

static struct web *open_web(const struct control_request *request, int listener, uint16_t port,
			    const char *token)
{
	struct web *web = calloc(1, sizeof(*web));
	const struct control_server_config config = {
		.instance = request->instance,
		.routes = routes,
		.listener = listener,
		.connections = CONNECTIONS,
		.allows = allows,
		.admits = admits,
		.admits_context = web,
		.headers = headers,
	};

	if (!web)
		return NULL;
	web->listener = listener;
	web->port = port;
	snprintf(web->expected, sizeof(web->expected), "Bearer %s", token);
	if (control_server_create(&config, &web->server) == 0)
		return web;
	free(web);
	return NULL;
}

void control_web_post(struct control_request *request)
{
	int listener = control_take_descriptor(request);
	struct control_fields body;
	const char *token = read_token(&body, request);
	uint16_t port = 0;
	struct web *web;

	if (!body.failed && (listener < 0 || !is_listener(listener, &port)))
		control_fields_fail(&body,
				    "send a TCP socket with it (SCM_RIGHTS) that listens on "
				    "127.0.0.1 and does not block",
				    "there is no socket to serve the page on");
	if (body.failed) {
		if (listener >= 0)
			close(listener);
		control_fields_refuse(&body, request);
		return;
	}
	web = open_web(request, listener, port, token);
	if (!web) {
		close(listener);
		control_answer(request, HTTP_STATUS_INTERNAL_SERVER_ERROR, NULL);
	} else if (control_until_end(request, end, web) < 0) {
		end(web);
		control_refuse(request, HTTP_STATUS_CONFLICT, "open another connection",
			       "this connection serves something already");
	} else {
		control_answer(request, HTTP_STATUS_OK, json_pack("{si}", "port", (int)port));
	}
}
