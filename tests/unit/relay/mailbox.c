/* SPDX-License-Identifier: MIT */

/* What lanes give each other: order, bound, the bell, and threads that put while one takes. */

#include "relay/mailbox.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	SENDERS = 3,
	EACH = 20000,
};

static int open_box(void **state)
{
	static struct relay_mailbox box;

	box = (struct relay_mailbox){0};
	*state = &box;
	return relay_mailbox_open(&box);
}

static int close_box(void **state)
{
	relay_mailbox_close(*state);
	return 0;
}

static bool rings(const struct relay_mailbox *box)
{
	struct pollfd bell = {.fd = box->fd, .events = POLLIN};

	return poll(&bell, 1, 0) == 1;
}

static struct relay_mail *numbered(enum relay_mail_kind kind, unsigned number)
{
	struct relay_mail *mail = relay_mail_create(kind, sizeof(number));

	assert_non_null(mail);
	memcpy(relay_mail_bytes(mail), &number, sizeof(number));
	return mail;
}

static unsigned number_of(struct relay_mail *mail)
{
	unsigned number;

	memcpy(&number, relay_mail_bytes(mail), sizeof(number));
	return number;
}

static void packets_and_letters_keep_their_order(void **state)
{
	struct relay_mailbox *box = *state;
	struct relay_mail *mail;

	assert_false(rings(box));
	for (unsigned i = 0; i < 10; i++)
		assert_true(relay_mailbox_put(
			box, numbered(i % 2 ? RELAY_MAIL_FRAME : RELAY_MAIL_SHOWN, i)));
	for (unsigned i = 0; i < 10; i += 2) {
		assert_true(rings(box));
		mail = relay_mailbox_take_letter(box);
		assert_int_equal(number_of(mail), i);
		relay_mail_free(mail);
		mail = relay_mailbox_take_frame(box);
		assert_int_equal(number_of(mail), i + 1);
		relay_mail_free(mail);
	}
	assert_false(rings(box));
	assert_null(relay_mailbox_take_letter(box));
	assert_null(relay_mailbox_take_frame(box));
}

static void what_is_too_much_is_lost_and_counted(void **state)
{
	struct relay_mailbox *box = *state;
	const size_t size = 1 << 20;
	struct relay_mail order = {.kind = RELAY_MAIL_REST, .lent = true};
	unsigned taken = 0;

	while (relay_mailbox_put(box, relay_mail_create(RELAY_MAIL_FRAME, size)))
		taken++;
	assert_int_equal(taken, RELAY_MAILBOX_BYTES / size - 1);
	/* What is only to be shown had its half already. */
	relay_mail_free(relay_mailbox_take_frame(box));
	assert_false(relay_mailbox_put(box, relay_mail_create(RELAY_MAIL_SHOWN, 1)));
	assert_true(relay_mailbox_put(box, relay_mail_create(RELAY_MAIL_FRAME, size)));
	box->lost--;
	assert_int_equal(box->lost, 1);
	/* What is lent finds room always, and is not freed. */
	assert_true(relay_mailbox_put(box, &order));
	assert_ptr_equal(relay_mailbox_take_letter(box), &order);
	relay_mail_free(&order);
	relay_mail_free(relay_mailbox_take_frame(box));
	assert_true(relay_mailbox_put(box, relay_mail_create(RELAY_MAIL_FRAME, size)));
	assert_int_equal(box->lost, 1);
}

static void a_client_that_nobody_takes_is_closed(void **state)
{
	struct relay_mail *mail = relay_mail_create(RELAY_MAIL_CLIENT, 0);
	int ends[2];
	char byte;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	mail->fd = ends[0];
	assert_true(relay_mailbox_put(*state, mail));
	relay_mailbox_close(*state);
	assert_int_equal(read(ends[1], &byte, 1), 0);
	close(ends[1]);
	assert_int_equal(open_box(state), 0);
}

struct sender {
	struct relay_mailbox *box;
	unsigned index;
};

static void *send_all(void *argument)
{
	const struct sender *sender = argument;

	for (unsigned i = 0; i < EACH; i++) {
		struct relay_mail *mail = relay_mail_create(RELAY_MAIL_FRAME, sizeof(unsigned));
		unsigned number = sender->index * EACH + i;

		if (!mail)
			break;
		memcpy(relay_mail_bytes(mail), &number, sizeof(number));
		relay_mailbox_put(sender->box, mail);
	}
	return NULL;
}

/* Every mail comes, once, in the order of its sender; and whoever sleeps until the bell rings misses none. */
static void threads_put_while_one_takes(void **state)
{
	struct relay_mailbox *box = *state;
	struct sender senders[SENDERS];
	pthread_t threads[SENDERS];
	unsigned next[SENDERS], taken = 0;

	for (unsigned i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){box, i};
		next[i] = i * EACH;
		assert_int_equal(pthread_create(&threads[i], NULL, send_all, &senders[i]), 0);
	}
	while (taken < SENDERS * EACH) {
		struct pollfd bell = {.fd = box->fd, .events = POLLIN};
		struct relay_mail *mail;

		assert_int_equal(poll(&bell, 1, 60000), 1);
		while ((mail = relay_mailbox_take_frame(box))) {
			unsigned number = number_of(mail);

			assert_int_equal(number, next[number / EACH]++);
			relay_mail_free(mail);
			taken++;
		}
	}
	for (unsigned i = 0; i < SENDERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_false(rings(box));
	assert_int_equal(box->lost, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(packets_and_letters_keep_their_order, open_box,
						close_box),
		cmocka_unit_test_setup_teardown(what_is_too_much_is_lost_and_counted, open_box,
						close_box),
		cmocka_unit_test_setup_teardown(a_client_that_nobody_takes_is_closed, open_box,
						close_box),
		cmocka_unit_test_setup_teardown(threads_put_while_one_takes, open_box, close_box),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
