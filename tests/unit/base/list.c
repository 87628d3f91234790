/* SPDX-License-Identifier: MIT */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

struct item {
	int value;
	struct cothon_list node;
};

/* The values in a list as a number, one decimal digit for each; both directions must agree. */
static int digits(const struct cothon_list *list)
{
	int forward = 0, backward = 0, unit = 1;

	for (const struct cothon_list *node = list->next; node != list; node = node->next)
		forward = forward * 10 + cothon_container(node, struct item, node)->value;
	for (const struct cothon_list *node = list->prev; node != list; node = node->prev) {
		backward += unit * cothon_container(node, struct item, node)->value;
		unit *= 10;
	}
	assert_int_equal(forward, backward);
	return forward;
}

static void fill(struct cothon_list *list, struct item *items, int count, int first)
{
	cothon_list_init(list);
	for (int i = 0; i < count; i++) {
		items[i].value = first + i;
		cothon_list_append(list, &items[i].node);
	}
}

static void test_append_and_remove(void **state)
{
	struct cothon_list list;
	struct item items[4];

	(void)state;
	cothon_list_init(&list);
	assert_true(cothon_list_empty(&list));
	fill(&list, items, 4, 1);
	assert_int_equal(digits(&list), 1234);
	cothon_list_remove(&items[0].node);
	assert_int_equal(digits(&list), 234);
	cothon_list_remove(&items[2].node);
	assert_int_equal(digits(&list), 24);
	cothon_list_remove(&items[3].node);
	assert_int_equal(digits(&list), 2);
	/* A node that is in no list may be taken out again. */
	cothon_list_remove(&items[3].node);
	assert_true(cothon_list_empty(&items[3].node));
	cothon_list_remove(&items[1].node);
	assert_true(cothon_list_empty(&list));
}

static void test_splice(void **state)
{
	struct cothon_list a, b, empty;
	struct item items[5];

	(void)state;
	cothon_list_init(&empty);
	fill(&a, items, 2, 1);
	fill(&b, items + 2, 3, 3);
	cothon_list_splice(&a, &empty);
	assert_int_equal(digits(&a), 12);
	cothon_list_splice(&a, &b);
	assert_int_equal(digits(&a), 12345);
	assert_true(cothon_list_empty(&b));
	cothon_list_splice(&b, &a);
	assert_int_equal(digits(&b), 12345);
	assert_true(cothon_list_empty(&a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append_and_remove),
		cmocka_unit_test(test_splice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
