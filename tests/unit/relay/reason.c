/* SPDX-License-Identifier: MIT */
#include "relay/reason.h"

#include <errno.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum {
	NONE = -1
};

static int of_icmp(enum host_error_origin origin, uint8_t type, uint8_t code)
{
	struct host_socket_error error = {.origin = origin, .type = type, .code = code};
	enum cothon_unreachable reason;

	return relay_reason_of_icmp(&error, &reason) ? (int)reason : NONE;
}

static int of_errno(int error)
{
	enum cothon_unreachable reason;

	return relay_reason_of_errno(error, &reason) ? (int)reason : NONE;
}

/* RFC 792; RFC 1122 section 3.2.2.1; RFC 1812 section 5.2.7.1. */
static void icmp_destination_unreachable_by_code(void **state)
{
	const int wanted[16] = {
		COTHON_NET_UNREACHABLE,  COTHON_HOST_UNREACHABLE, COTHON_PROTOCOL_UNREACHABLE,
		COTHON_PORT_UNREACHABLE, COTHON_TOO_BIG,          COTHON_NET_UNREACHABLE,
		COTHON_NET_UNREACHABLE,  COTHON_HOST_UNREACHABLE, COTHON_HOST_UNREACHABLE,
		COTHON_PROHIBITED,       COTHON_PROHIBITED,       COTHON_NET_UNREACHABLE,
		COTHON_HOST_UNREACHABLE, COTHON_PROHIBITED,       COTHON_PROHIBITED,
		COTHON_PROHIBITED,
	};

	(void)state;
	for (uint8_t code = 0; code < 16; code++)
		assert_int_equal(of_icmp(HOST_ERROR_ICMP, 3, code), wanted[code]);
}

/* RFC 4443 section 3.1. */
static void icmpv6_destination_unreachable_by_code(void **state)
{
	const int wanted[7] = {
		COTHON_NET_UNREACHABLE,  COTHON_PROHIBITED,       COTHON_NET_UNREACHABLE,
		COTHON_HOST_UNREACHABLE, COTHON_PORT_UNREACHABLE, COTHON_PROHIBITED,
		COTHON_PROHIBITED,
	};

	(void)state;
	for (uint8_t code = 0; code < 7; code++)
		assert_int_equal(of_icmp(HOST_ERROR_ICMPV6, 1, code), wanted[code]);
}

static void the_other_messages(void **state)
{
	(void)state;
	assert_int_equal(of_icmp(HOST_ERROR_ICMP, 11, 0), COTHON_HOPS_EXCEEDED);
	assert_int_equal(of_icmp(HOST_ERROR_ICMP, 11, 1), COTHON_REASSEMBLY_EXCEEDED);
	assert_int_equal(of_icmp(HOST_ERROR_ICMPV6, 3, 0), COTHON_HOPS_EXCEEDED);
	assert_int_equal(of_icmp(HOST_ERROR_ICMPV6, 3, 1), COTHON_REASSEMBLY_EXCEEDED);
	assert_int_equal(of_icmp(HOST_ERROR_ICMPV6, 2, 0), COTHON_TOO_BIG);
	/* Parameter problem, source quench, and what is not ICMP's. */
	assert_int_equal(of_icmp(HOST_ERROR_ICMP, 12, 0), NONE);
	assert_int_equal(of_icmp(HOST_ERROR_ICMP, 4, 0), NONE);
	assert_int_equal(of_icmp(HOST_ERROR_ICMPV6, 4, 0), NONE);
	assert_int_equal(of_icmp(HOST_ERROR_LOCAL, 3, 3), NONE);
	assert_int_equal(of_icmp(HOST_ERROR_OTHER, 3, 3), NONE);
}

static void errnos_that_say_something_of_the_way(void **state)
{
	(void)state;
	assert_int_equal(of_errno(-ENETUNREACH), COTHON_NET_UNREACHABLE);
	assert_int_equal(of_errno(-EHOSTUNREACH), COTHON_HOST_UNREACHABLE);
	assert_int_equal(of_errno(-ECONNREFUSED), COTHON_PORT_UNREACHABLE);
	assert_int_equal(of_errno(-EPERM), COTHON_PROHIBITED);
	assert_int_equal(of_errno(-EACCES), COTHON_PROHIBITED);
	assert_int_equal(of_errno(-EAGAIN), NONE);
	assert_int_equal(of_errno(-ENOBUFS), NONE);
	assert_int_equal(of_errno(-EINVAL), NONE);
	/* Without the MTU there is nothing to tell. */
	assert_int_equal(of_errno(-EMSGSIZE), NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(icmp_destination_unreachable_by_code),
		cmocka_unit_test(icmpv6_destination_unreachable_by_code),
		cmocka_unit_test(the_other_messages),
		cmocka_unit_test(errnos_that_say_something_of_the_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
