/* SPDX-License-Identifier: MIT */

/* The example's HTTP server and client, against peers that speak as a test wants. */

#include "../../../examples/http.h"
#include "stage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HEAD                                         \
	"Server: cothon-example\r\n"                 \
	"Content-Type: application/octet-stream\r\n" \
	"Content-Length: "
#define HOST "Host: a\r\n"

static const struct document list[] = {
	{"empty", 0, 1},
	{"small", 5, 2},
	{"large", 20 << 20, 3},
};
static const struct documents documents = {list, 3};

/* --- the server --- */

struct served {
	struct stage stage;
	struct http_server *server;
	unsigned ended;
	struct peer peer;
};

static void count_ended(const struct cothon_tcp *tcp, void *context)
{
	struct served *served = context;

	assert_non_null(tcp);
	served->ended++;
}

static int set_up(void **state)
{
	static struct served served;
	struct http_server_config config = {
		.documents = &documents, .ended = count_ended, .context = &served};

	memset(&served, 0, sizeof(served));
	stage_create(&served.stage);
	config.stack = served.stage.hosts.stacks[STAGE_SERVER];
	config.local = served.stage.server;
	assert_int_equal(http_server_create(&config, &served.server), 0);
	*state = &served;
	return 0;
}

static int tear_down(void **state)
{
	struct served *served = *state;

	if (served->peer.tcp)
		cothon_tcp_close(served->peer.tcp);
	http_server_destroy(served->server);
	stage_destroy(&served->stage);
	return 0;
}

static void ask(struct served *served, const char *request)
{
	peer_connect(&served->peer, &served->stage, &served->stage.client, STAGE_PORT, request);
}

/* What the server answers to a request when it then ends the connection. */
static void refuses(void **state, const char *request, const char *status)
{
	struct served *served = *state;
	char expected[512];

	ask(served, request);
	snprintf(expected, sizeof(expected),
		 "HTTP/1.1 %s\r\n" HEAD "0\r\nConnection: close\r\n\r\n", status);
	peer_heard(&served->peer, expected);
	assert_true(served->peer.at_end);
	peer_close(&served->peer);
	assert_int_equal(served->ended, 1);
}

static void get(void **state)
{
	struct served *served = *state;
	char expected[512];
	int len = snprintf(expected, sizeof(expected), "HTTP/1.1 200 OK\r\n" HEAD "5\r\n\r\n");

	document_read(&list[1], 0, expected + len, 5);
	ask(served, "GET /small HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(served->peer.len, len + 5);
	assert_memory_equal(served->peer.heard, expected, (size_t)len + 5);
	assert_false(served->peer.at_end);
	assert_int_equal(served->ended, 0);
}

static void persists(void **state)
{
	struct served *served = *state;

	/* Three requests at once; a missing document ends nothing. */
	ask(served, "HEAD /small HTTP/1.1\r\n" HOST "\r\n"
		    "\r\nGET /nothing HTTP/1.1\r\n" HOST "Other: field\r\n\r\n"
		    "GET /empty HTTP/1.1\r\n" HOST "\r\n");
	peer_heard(&served->peer, "HTTP/1.1 200 OK\r\n" HEAD "5\r\n\r\n"
				  "HTTP/1.1 404 Not Found\r\n" HEAD "0\r\n\r\n"
				  "HTTP/1.1 200 OK\r\n" HEAD "0\r\n\r\n");
	/* And one that comes in pieces. */
	peer_say(&served->peer, "GET /emp");
	peer_say(&served->peer, "ty HTTP/1.1\r");
	peer_say(&served->peer, "\n" HOST "\r");
	peer_heard(&served->peer, "");
	peer_say(&served->peer, "\n");
	peer_heard(&served->peer, "HTTP/1.1 200 OK\r\n" HEAD "0\r\n\r\n");
	peer_close(&served->peer);
	assert_int_equal(served->ended, 1);
}

static void ends_when_asked(void **state)
{
	refuses(state, "GET /empty HTTP/1.1\r\n" HOST "Connection: a, Close\r\n\r\n", "200 OK");
}

static void ends_for_1_0(void **state)
{
	refuses(state, "GET /empty HTTP/1.0\r\n\r\n", "200 OK");
}

static void bad_requests(void **state)
{
	static const struct {
		const char *request, *status;
	} requests[] = {
		{"GET\r\n", "400 Bad Request"},
		{"GET /small\r\n", "400 Bad Request"},
		{"GET small HTTP/1.1\r\n", "400 Bad Request"},
		{"G(T /small HTTP/1.1\r\n", "400 Bad Request"},
		{"GET /small HTTP/2.0\r\n", "505 HTTP Version Not Supported"},
		{"GET /small HTTP/1.11\r\n", "505 HTTP Version Not Supported"},
		{"GET /small HTTP/1.1\r\n\r\n", "400 Bad Request"},
		{"GET /small HTTP/1.1\r\n" HOST HOST, "400 Bad Request"},
		{"GET /small HTTP/1.1\r\nHost : a\r\n", "400 Bad Request"},
		{"GET /small HTTP/1.1\r\n" HOST " folded\r\n", "400 Bad Request"},
		{"GET /small HTTP/1.1\r\n" HOST "Content-Length: -1\r\n", "400 Bad Request"},
		{"GET /small HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n",
		 "400 Bad Request"},
		{"GET /small HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n",
		 "413 Content Too Large"},
		{"GET /small HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n",
		 "501 Not Implemented"},
		{"POST /small HTTP/1.1\r\n" HOST "\r\n", "501 Not Implemented"},
	};

	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		refuses(state, requests[i].request, requests[i].status);
		((struct served *)*state)->ended = 0;
	}
}

static void long_requests(void **state)
{
	struct served *served = *state;
	char request[4096];
	int len;

	snprintf(request, sizeof(request), "GET /%0300u HTTP/1.1\r\n", 0);
	refuses(state, request, "414 URI Too Long");
	served->ended = 0;
	snprintf(request, sizeof(request), "GET /%02000u HTTP/1.1\r\n", 0);
	refuses(state, request, "431 Request Header Fields Too Large");
	served->ended = 0;
	len = snprintf(request, sizeof(request), "GET /small HTTP/1.1\r\n");
	for (int i = 0; i < 100; i++)
		len += snprintf(request + len, sizeof(request) - (size_t)len, "A: b\r\n");
	refuses(state, request, "431 Request Header Fields Too Large");
}

static void client_leaves(void **state)
{
	static const char request[] = "GET /large HTTP/1.1\r\n" HOST "\r\n";
	struct served *served = *state;

	ask(served, "GET /sm");
	peer_close(&served->peer);
	assert_int_equal(served->ended, 1);
	/* In the middle of a document. */
	ask(served, NULL);
	cothon_tcp_write(served->peer.tcp, request, strlen(request));
	cothon_tcp_abort(served->peer.tcp);
	served->peer.tcp = NULL;
	stage_settle(&served->stage);
	assert_int_equal(served->ended, 2);
}

/* --- the client --- */

struct fetch {
	const struct document *document;
	uint64_t received;
	bool wrong;
	char text[64];
	int status, answers;
	struct http_client *client;
	bool close; /* when the first content comes */
};

static void content(void *context, const void *data, size_t len)
{
	struct fetch *fetch = context;

	if (fetch->document && !document_matches(fetch->document, fetch->received, data, len))
		fetch->wrong = true;
	if (!fetch->document && fetch->received + len < sizeof(fetch->text))
		memcpy(fetch->text + fetch->received, data, len);
	fetch->received += len;
	if (fetch->close) {
		http_client_close(fetch->client);
		fetch->client = NULL;
	}
}

static void answered(void *context, int status)
{
	struct fetch *fetch = context;

	fetch->status = status;
	fetch->answers++;
}

static const struct http_client_events events = {content, answered};

static void fetch(struct fetch *fetch, struct stage *stage, const char *name)
{
	assert_int_equal(http_client_open(stage->hosts.stacks[STAGE_CLIENT], &stage->server,
					  &events, fetch, &fetch->client),
			 0);
	assert_int_equal(http_client_get(fetch->client, name), 0);
	assert_int_equal(http_client_get(fetch->client, name), -EBUSY);
	stage_settle(stage);
}

static void client_and_server(void **state)
{
	struct served *served = *state;
	struct fetch it = {.document = &list[2]};

	fetch(&it, &served->stage, "large");
	assert_int_equal(it.status, 200);
	assert_int_equal(it.received, list[2].size);
	assert_false(it.wrong);
	it.document = &list[1];
	it.received = 0;
	assert_int_equal(http_client_get(it.client, "small"), 0);
	stage_settle(&served->stage);
	assert_int_equal(it.answers, 2);
	assert_int_equal(it.received, 5);
	assert_false(it.wrong);
	assert_int_equal(http_client_get(it.client, "none"), 0);
	stage_settle(&served->stage);
	assert_int_equal(it.status, 404);
	http_client_close(it.client);
	stage_settle(&served->stage);
	assert_int_equal(served->ended, 1);
}

static void client_closes_in_content(void **state)
{
	struct served *served = *state;
	struct fetch it = {.document = &list[2], .close = true};

	fetch(&it, &served->stage, "large");
	assert_null(it.client);
	assert_int_equal(it.answers, 0);
	assert_int_equal(served->ended, 1);
}

/* What the client makes of an answer, after which the connection ends. */
static void client_hears(const char *words, int status, const char *text)
{
	struct stage stage;
	struct peer peer;
	struct fetch it = {0};

	stage_create(&stage);
	peer_answer(&peer, &stage, words, true);
	fetch(&it, &stage, "name");
	peer_heard(&peer, "GET /name HTTP/1.1\r\nHost: 198.51.100.80:4000\r\n\r\n");
	assert_int_equal(it.answers, 1);
	assert_int_equal(it.status, status);
	assert_string_equal(it.text, text);
	assert_int_equal(http_client_get(it.client, "more"), -EPIPE);
	http_client_close(it.client);
	cothon_tcp_close(peer.tcp);
	stage_destroy(&stage);
}

static void client_reads(void **state)
{
	(void)state;
	client_hears("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntext", 200, "text");
	client_hears("HTTP/1.1 200\r\ncontent-length: \t4 \r\n\r\ntext and more", 200, "text");
	client_hears("HTTP/1.0 404 No\n\nto the end", 404, "to the end");
	client_hears("HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 204 None\r\n\r\n", 204, "");
	client_hears("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ntext", -EPIPE, "text");
	client_hears("HTTP/1.1 200 OK\r\nContent-Le", -EPIPE, "");
	client_hears("", -EPIPE, "");
	client_hears("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", -EOPNOTSUPP, "");
	client_hears("SSH-2.0-x\r\n", -EBADMSG, "");
	client_hears("HTTP/1.1 2000 OK\r\n\r\n", -EBADMSG, "");
	client_hears("HTTP/1.1 200 OK\r\nContent-Length: 1e3\r\n\r\n", -EBADMSG, "");
	client_hears("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", -EBADMSG, "");
}

static void client_refused(void **state)
{
	struct stage stage;
	struct fetch it = {0};

	(void)state;
	stage_create(&stage);
	fetch(&it, &stage, "name");
	assert_int_equal(it.status, -ECONNREFUSED);
	http_client_close(it.client);
	stage_destroy(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(get, set_up, tear_down),
		cmocka_unit_test_setup_teardown(persists, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ends_when_asked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ends_for_1_0, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bad_requests, set_up, tear_down),
		cmocka_unit_test_setup_teardown(long_requests, set_up, tear_down),
		cmocka_unit_test_setup_teardown(client_leaves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(client_and_server, set_up, tear_down),
		cmocka_unit_test_setup_teardown(client_closes_in_content, set_up, tear_down),
		cmocka_unit_test(client_reads),
		cmocka_unit_test(client_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
