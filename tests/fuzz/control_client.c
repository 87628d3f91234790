/* SPDX-License-Identifier: MIT */

/* What a running sandbox answers on its control socket: a client makes an object of it, or an error. */

#include "fuzz.h"
#include "control/client.h"
#include <sys/socket.h>
#include <unistd.h>

enum {
	ANSWER_MAX = 64 << 10, /* what a socket holds without a reader */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned status = 0;
	json_t *answer = NULL;
	int ends[2];

	if (size > ANSWER_MAX)
		return 0;
	fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
	fuzz_check(size == 0 || send(ends[1], data, size, 0) == (ssize_t)size);
	fuzz_check(shutdown(ends[1], SHUT_WR) == 0);
	if (control_client_ask(ends[0], HTTP_GET, "/v1/flows", NULL, 1000, &status, &answer) == 0) {
		fuzz_check(json_is_object(answer) && status <= 999);
		json_decref(answer);
	} else {
		fuzz_check(!answer);
	}
	close(ends[0]);
	close(ends[1]);
	return 0;
}
