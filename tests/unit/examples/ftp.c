/* SPDX-License-Identifier: MIT */

/* The example's FTP server and client, against peers that speak as a test wants. */

#include "../../../examples/ftp.h"
#include "stage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOGIN "USER anonymous\r\nPASS x\r\n"
#define WELCOME                                 \
	"220 Documents for anonymous users\r\n" \
	"331 Any password will do\r\n230 Welcome\r\n"

static const struct document list[] = {{"small", 5, 2}, {"large", 20 << 20, 3}};
static const struct documents documents = {list, 2};

/* --- the server --- */

struct served {
	struct stage stage;
	struct ftp_server *server;
	unsigned ended;
	struct peer control, data;
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
	struct ftp_server_config config = {
		.documents = &documents, .ended = count_ended, .context = &served};

	memset(&served, 0, sizeof(served));
	stage_create(&served.stage);
	config.stack = served.stage.hosts.stacks[STAGE_SERVER];
	config.local = served.stage.server;
	assert_int_equal(ftp_server_create(&config, &served.server), 0);
	*state = &served;
	return 0;
}

static int tear_down(void **state)
{
	struct served *served = *state;

	if (served->control.tcp)
		cothon_tcp_close(served->control.tcp);
	if (served->data.tcp)
		cothon_tcp_close(served->data.tcp);
	ftp_server_destroy(served->server);
	stage_destroy(&served->stage);
	return 0;
}

static void call(struct served *served, const char *words)
{
	peer_connect(&served->control, &served->stage, &served->stage.client, STAGE_PORT, words);
}

/* Asks for a data connection; returns the port that the server tells. */
static uint16_t epsv(struct served *served)
{
	static const char reply[] = "229 Connect to this port (|||";
	unsigned long port;
	char *end;

	peer_say(&served->control, "EPSV\r\n");
	assert_memory_equal(served->control.heard, reply, strlen(reply));
	port = strtoul(served->control.heard + strlen(reply), &end, 10);
	assert_string_equal(end, "|)\r\n");
	served->control.len = 0;
	served->control.heard[0] = '\0';
	assert_in_range(port, 49152, 65535);
	return (uint16_t)port;
}

static void connect_data(struct served *served, uint16_t port, const struct cothon_addr *from)
{
	peer_connect(&served->data, &served->stage, from, port, NULL);
}

static void commands(void **state)
{
	struct served *served = *state;

	call(served, "RETR small\r\nPASS x\r\nUSER root\r\nPASS x\r\nFEAT\r\n" LOGIN
		     "TYPE A\r\nTYPE I\r\nSIZE small\r\nsize /large\r\nSIZE none\r\nRETR small\r\n"
		     "\r\nQUIT\r\n");
	peer_heard(&served->control,
		   "220 Documents for anonymous users\r\n"
		   "530 Log in first: USER, PASS\r\n"
		   "503 Say who you are first: USER anonymous\r\n"
		   "530 Only anonymous users are served\r\n"
		   "503 Say who you are first: USER anonymous\r\n"
		   "502 This command is not known here\r\n"
		   "331 Any password will do\r\n230 Welcome\r\n"
		   "504 Bytes go as they are: TYPE I\r\n200 Bytes go as they are\r\n"
		   "213 5\r\n213 20971520\r\n550 There is no such document\r\n"
		   "425 Ask for a data connection first: EPSV\r\n"
		   "502 This command is not known here\r\n"
		   "221 Farewell\r\n");
	assert_true(served->control.at_end);
	assert_int_equal(served->ended, 1);
}

/* The data connection may stand before the document is asked for, or come after. */
static void retrieve(struct served *served, bool connect_first)
{
	uint16_t port = epsv(served);
	uint8_t expected[5];

	document_read(&list[0], 0, expected, 5);
	if (connect_first)
		connect_data(served, port, &served->stage.client);
	peer_say(&served->control, "RETR small\r\n");
	if (!connect_first) {
		peer_heard(&served->control, "150 Here it comes\r\n");
		connect_data(served, port, &served->stage.client);
		peer_heard(&served->control, "226 That was all of it\r\n");
	} else {
		peer_heard(&served->control, "150 Here it comes\r\n226 That was all of it\r\n");
	}
	assert_true(served->data.at_end);
	assert_int_equal(served->data.len, 5);
	assert_memory_equal(served->data.heard, expected, 5);
	peer_close(&served->data);
}

static void transfers(void **state)
{
	struct served *served = *state;

	call(served, LOGIN);
	peer_heard(&served->control, WELCOME);
	retrieve(served, true);
	retrieve(served, false);
	assert_int_equal(served->ended, 2);
}

static void nobody_else_fetches(void **state)
{
	struct served *served = *state;
	uint16_t port;

	call(served, LOGIN);
	peer_heard(&served->control, WELCOME);
	port = epsv(served);
	connect_data(served, port, &served->stage.other_client);
	assert_true(served->data.ended);
	assert_int_equal(cothon_tcp_error(served->data.tcp), -ECONNRESET);
	peer_close(&served->data);
	/* Whom it is for may still come. */
	peer_say(&served->control, "RETR small\r\n");
	connect_data(served, port, &served->stage.client);
	assert_int_equal(served->data.len, 5);
	peer_heard(&served->control, "150 Here it comes\r\n226 That was all of it\r\n");
}

static void broken_transfer(void **state)
{
	struct served *served = *state;
	uint16_t port;

	call(served, LOGIN);
	peer_heard(&served->control, WELCOME);
	port = epsv(served);
	connect_data(served, port, &served->stage.client);
	cothon_tcp_write(served->control.tcp, "RETR large\r\nSIZE small\r\n", 24);
	cothon_tcp_abort(served->data.tcp);
	served->data.tcp = NULL;
	stage_settle(&served->stage);
	/* Which of the two comes first is the stack's choice; the session goes on. */
	assert_non_null(strstr(served->control.heard, "213 5\r\n"));
	assert_true(strstr(served->control.heard, "426 The data connection broke\r\n") ||
		    strstr(served->control.heard, "425 Ask for a data connection first"));
	assert_false(served->control.at_end);
}

static void client_leaves(void **state)
{
	struct served *served = *state;

	/* While a data connection is waited for, and while one stands. */
	call(served, LOGIN);
	peer_heard(&served->control, WELCOME);
	epsv(served);
	peer_close(&served->control);
	assert_int_equal(served->ended, 1);
	call(served, LOGIN);
	peer_heard(&served->control, WELCOME);
	connect_data(served, epsv(served), &served->stage.client);
	peer_close(&served->control);
	assert_true(served->data.ended);
	assert_int_equal(served->ended, 3);
}

static void long_command(void **state)
{
	struct served *served = *state;
	char words[2000];

	memset(words, 'x', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';
	call(served, words);
	assert_true(served->control.at_end || served->control.ended);
	assert_int_equal(served->ended, 1);
}

/* --- the client --- */

struct fetch {
	const struct document *document;
	uint64_t received;
	bool wrong, close;
	int error, done;
	struct ftp_client *client;
};

static void content(void *context, const void *data, size_t len)
{
	struct fetch *fetch = context;

	if (!document_matches(fetch->document, fetch->received, data, len))
		fetch->wrong = true;
	fetch->received += len;
	if (fetch->close) {
		ftp_client_close(fetch->client);
		fetch->client = NULL;
	}
}

static void done(void *context, int error)
{
	struct fetch *fetch = context;

	fetch->error = error;
	fetch->done++;
}

static void fetch(struct fetch *fetch, struct stage *stage, const char *name)
{
	static const struct ftp_client_events events = {content, done};

	assert_int_equal(ftp_client_fetch(stage->hosts.stacks[STAGE_CLIENT], &stage->server, name,
					  &events, fetch, &fetch->client),
			 0);
	stage_settle(stage);
}

static void client_and_server(void **state)
{
	struct served *served = *state;
	struct fetch it = {.document = &list[1]};

	fetch(&it, &served->stage, "large");
	assert_int_equal(it.done, 1);
	assert_int_equal(it.error, 0);
	assert_int_equal(it.received, list[1].size);
	assert_false(it.wrong);
	ftp_client_close(it.client);
	stage_settle(&served->stage);
	assert_int_equal(served->ended, 2);
}

static void client_misses(void **state)
{
	struct served *served = *state;
	struct fetch it = {.document = &list[1]};

	fetch(&it, &served->stage, "none");
	assert_int_equal(it.done, 1);
	assert_int_equal(it.error, -ENOENT);
	ftp_client_close(it.client);
	stage_settle(&served->stage);
	assert_int_equal(served->ended, 1);
}

static void client_closes_in_content(void **state)
{
	struct served *served = *state;
	struct fetch it = {.document = &list[1], .close = true};

	fetch(&it, &served->stage, "large");
	assert_null(it.client);
	assert_int_equal(it.done, 0);
	assert_int_equal(served->ended, 2);
}

/* What the client makes of a server that says these words, and ends. */
static void client_hears(const char *words, int error)
{
	struct stage stage;
	struct peer peer;
	struct fetch it = {.document = &list[0]};

	stage_create(&stage);
	peer_answer(&peer, &stage, words, true);
	fetch(&it, &stage, "small");
	assert_int_equal(it.done, 1);
	assert_int_equal(it.error, error);
	ftp_client_close(it.client);
	cothon_tcp_close(peer.tcp);
	stage_destroy(&stage);
}

#define UP_TO_SIZE "220-Many\r\n words\r\n220 of welcome\r\n331 a\r\n230 b\r\n200 c\r\n"

static void client_reads(void **state)
{
	(void)state;
	client_hears("", -EPIPE);
	client_hears("421 Too many\r\n", -EPROTO);
	client_hears("220 a\r\n530 no\r\n", -EPROTO);
	client_hears(UP_TO_SIZE, -EPIPE);
	client_hears(UP_TO_SIZE "550 no\r\n", -ENOENT);
	client_hears(UP_TO_SIZE "213 many\r\n", -EPROTO);
	client_hears(UP_TO_SIZE "213 5\r\n229 no port\r\n", -EPROTO);
	client_hears(UP_TO_SIZE "213 5\r\n229 (|||0|)\r\n", -EPROTO);
	client_hears(UP_TO_SIZE "213 5\r\n229 (|||65536|)\r\n", -EPROTO);
	client_hears(UP_TO_SIZE "213 5\r\n229 (||| 80|)\r\n", -EPROTO);
	client_hears(UP_TO_SIZE "213 5\r\n229 (|||80!)\r\n", -EPROTO);
	/* No one waits at this port; the control connection's end comes first. */
	client_hears(UP_TO_SIZE "213 5\r\n229 (!!!80!)\r\n", -EPIPE);
}

static void client_refused(void **state)
{
	struct stage stage;
	struct fetch it = {.document = &list[0]};

	(void)state;
	stage_create(&stage);
	fetch(&it, &stage, "small");
	assert_int_equal(it.error, -ECONNREFUSED);
	ftp_client_close(it.client);
	assert_int_equal(ftp_client_fetch(stage.hosts.stacks[STAGE_CLIENT], &stage.server,
					  "a\r\nQUIT", NULL, NULL, &it.client),
			 -EINVAL);
	stage_destroy(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(commands, set_up, tear_down),
		cmocka_unit_test_setup_teardown(transfers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nobody_else_fetches, set_up, tear_down),
		cmocka_unit_test_setup_teardown(broken_transfer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(client_leaves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(long_command, set_up, tear_down),
		cmocka_unit_test_setup_teardown(client_and_server, set_up, tear_down),
		cmocka_unit_test_setup_teardown(client_misses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(client_closes_in_content, set_up, tear_down),
		cmocka_unit_test(client_reads),
		cmocka_unit_test(client_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
