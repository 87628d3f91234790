/* SPDX-License-Identifier: MIT */
#include "relay/resolv.h"

#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* The resolvers in a text, each followed by a space: "192.0.2.1:53 [fe80::1]:53%1 ". */
static const char *parse(const char *text, size_t len, char out[static 256])
{
	struct relay_resolver list[RELAY_RESOLVERS_MAX];
	char *exact = malloc(len ? len : 1);
	unsigned count;
	int used = 0;

	assert_non_null(exact);
	memcpy(exact, text, len);
	memset(list, 0xee, sizeof(list));
	count = relay_resolv_parse(exact, len, list);
	free(exact);
	out[0] = '\0';
	for (unsigned i = 0; i < count; i++) {
		char one[COTHON_ENDPOINT_TEXT], scope[16] = "";

		if (list[i].scope)
			snprintf(scope, sizeof(scope), "%%%u", list[i].scope);
		cothon_endpoint_format(&list[i].endpoint, one);
		used += snprintf(out + used, (size_t)(256 - used), "%s%s ", one, scope);
	}
	return out;
}

static void nameserver_lines_are_read(void **state)
{
	static const struct {
		const char *text, *wanted;
	} cases[] = {
		{"nameserver 192.0.2.1\n", "192.0.2.1:53 "},
		{"nameserver 192.0.2.1", "192.0.2.1:53 "},
		{"nameserver\t 192.0.2.1 \t# ours\n", "192.0.2.1:53 "},
		{"nameserver 192.0.2.1\r\nnameserver 192.0.2.2\r\n", "192.0.2.1:53 192.0.2.2:53 "},
		{"nameserver 2001:db8::1\n", "[2001:db8::1]:53 "},
		{"search example\noptions ndots:3\nnameserver 192.0.2.1\n", "192.0.2.1:53 "},
		{"nameserver fe80::1%lo\n", "[fe80::1]:53%1 "},
		{"nameserver fe80::1%37\n", "[fe80::1]:53%37 "},
		/* A fourth is one too many. */
		{"nameserver 1.1.1.1\nnameserver 2.2.2.2\nnameserver 3.3.3.3\nnameserver 4.4.4.4\n",
		 "1.1.1.1:53 2.2.2.2:53 3.3.3.3:53 "},
		/* Those that cannot be read do not count. */
		{"nameserver nonsense\nnameserver 300.1.1.1\nnameserver 192.0.2.1:53\n"
		 "nameserver 192.0.2.9\n",
		 "192.0.2.9:53 "},
	};

	(void)state;
	assert_int_equal(if_nametoindex("lo"), 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char out[256];

		assert_string_equal(parse(cases[i].text, strlen(cases[i].text), out),
				    cases[i].wanted);
	}
}

static void without_any_it_is_this_machine(void **state)
{
	const char *const texts[] = {
		"",
		"\n\n\n",
		"# nameserver 192.0.2.1\n",
		"; nameserver 192.0.2.1\n",
		" nameserver 192.0.2.1\n",
		"nameserver192.0.2.1\n",
		"nameserver\n",
		"nameserver ",
		"nameserver",
		"nameservers 192.0.2.1\n",
		"NAMESERVER 192.0.2.1\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char out[256];

		assert_string_equal(parse(texts[i], strlen(texts[i]), out), "127.0.0.1:53 ");
	}
}

static void garbage_is_skipped(void **state)
{
	char text[4096], out[256];

	(void)state;
	/* An address that never ends, bytes of all kinds, and no newline. */
	memset(text, '1', sizeof(text));
	snprintf(text, sizeof(text), "nameserver");
	text[10] = ' ';
	assert_string_equal(parse(text, sizeof(text), out), "127.0.0.1:53 ");
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 31);
	assert_string_equal(parse(text, sizeof(text), out), "127.0.0.1:53 ");
	/* A NUL ends no line. */
	assert_string_equal(parse("nameserver 1.2.3.4\0.5\nnameserver 5.6.7.8\n", 40, out),
			    "1.2.3.4:53 5.6.7.8:53 ");
}

/* The file */

struct files {
	char folder[32], path[64], other[64];
	struct relay_resolvers resolvers;
};

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void assert_first(struct files *files, const char *wanted)
{
	char text[COTHON_ENDPOINT_TEXT];

	relay_resolvers_refresh(&files->resolvers);
	assert_int_equal(files->resolvers.count, 1);
	assert_string_equal(cothon_endpoint_format(&files->resolvers.list[0].endpoint, text),
			    wanted);
}

static int setup(void **state)
{
	struct files *files = calloc(1, sizeof(*files));

	strcpy(files->folder, "/tmp/test-relay-resolv-XXXXXX");
	if (!mkdtemp(files->folder))
		return -1;
	snprintf(files->path, sizeof(files->path), "%s/resolv.conf", files->folder);
	snprintf(files->other, sizeof(files->other), "%s/other", files->folder);
	*state = files;
	return 0;
}

static int teardown(void **state)
{
	struct files *files = *state;

	unlink(files->path);
	unlink(files->other);
	rmdir(files->folder);
	free(files);
	return 0;
}

static void a_file_is_followed_as_it_changes(void **state)
{
	struct files *files = *state;

	/* Not there yet: this machine. */
	relay_resolvers_follow(&files->resolvers, files->path, NULL);
	assert_first(files, "127.0.0.1:53");
	put(files->path, "nameserver 192.0.2.1\n");
	assert_first(files, "192.0.2.1:53");
	/* Written anew, of the same length, in the same instant. */
	for (int i = 2; i < 10; i++) {
		char text[32], wanted[32];

		snprintf(text, sizeof(text), "nameserver 192.0.2.%d\n", i);
		snprintf(wanted, sizeof(wanted), "192.0.2.%d:53", i);
		put(files->path, text);
		assert_first(files, wanted);
	}
	/* Replaced by another file. */
	put(files->other, "nameserver 192.0.2.77\n");
	assert_int_equal(rename(files->other, files->path), 0);
	assert_first(files, "192.0.2.77:53");
	assert_int_equal(unlink(files->path), 0);
	assert_first(files, "127.0.0.1:53");
}

static void a_link_is_followed_where_it_leads(void **state)
{
	struct files *files = *state;

	put(files->other, "nameserver 192.0.2.5\n");
	assert_int_equal(symlink("other", files->path), 0);
	relay_resolvers_follow(&files->resolvers, files->path, NULL);
	assert_first(files, "192.0.2.5:53");
	put(files->other, "nameserver 192.0.2.6\n");
	assert_first(files, "192.0.2.6:53");
	assert_int_equal(unlink(files->path), 0);
	assert_int_equal(symlink("/dev/zero", files->path), 0);
	/* No regular file: nothing is read from it. */
	assert_first(files, "127.0.0.1:53");
}

static void an_old_file_is_not_read_again(void **state)
{
	struct files *files = *state;

	put(files->path, "nameserver 192.0.2.5\n");
	relay_resolvers_follow(&files->resolvers, files->path, NULL);
	/* A file just written may change again in the same tick of the clock. */
	assert_false(files->resolvers.settled);
	files->resolvers.settled = true;
	files->resolvers.list[0].endpoint.port = 99;
	assert_first(files, "192.0.2.5:99");
	put(files->path, "nameserver 192.0.2.50\n");
	assert_first(files, "192.0.2.50:53");
}

static void given_resolvers_stay(void **state)
{
	struct cothon_endpoint given[5] = {0};
	struct files *files = *state;

	for (uint16_t i = 0; i < 5; i++)
		given[i].port = (uint16_t)(1000 + i);
	relay_resolvers_fix(&files->resolvers, given, 2);
	relay_resolvers_refresh(&files->resolvers);
	assert_int_equal(files->resolvers.count, 2);
	assert_int_equal(files->resolvers.list[1].endpoint.port, 1001);
	relay_resolvers_fix(&files->resolvers, given, 5);
	assert_int_equal(files->resolvers.count, RELAY_RESOLVERS_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nameserver_lines_are_read),
		cmocka_unit_test(without_any_it_is_this_machine),
		cmocka_unit_test(garbage_is_skipped),
		TEST(a_file_is_followed_as_it_changes),
		TEST(a_link_is_followed_where_it_leads),
		TEST(an_old_file_is_not_read_again),
		TEST(given_resolvers_stay),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
