/* SPDX-License-Identifier: MIT */

/* One message of the kernel's list of sockets, behind a byte that chooses the transport. */

#include "fuzz.h"
#include "host/sockdiag.h"
#include <libmnl/libmnl.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct host_inet_socket socket;
	const struct nlmsghdr *message;
	uint8_t *copy;

	if (size == 0)
		return 0;
	/* The kernel fills messages up to whole words, and libmnl counts on it. */
	size -= (size - 1) % MNL_ALIGNTO;
	if (size < 1 + sizeof(*message) || size - 1 > INT32_MAX)
		return 0;
	copy = fuzz_copy(data + 1, size - 1);
	message = (const struct nlmsghdr *)(const void *)copy;
	/* libmnl takes a length beyond INT32_MAX for a negative one, and lets it pass. */
	if (mnl_nlmsg_ok(message, (int)(size - 1)) && message->nlmsg_len <= size - 1 &&
	    host_sockdiag_parse(message, data[0] % 2 ? COTHON_TCP : COTHON_UDP, &socket) == 0)
		fuzz_check(cothon_tcp_state_name(socket.state));
	free(copy);
	return 0;
}
