/* SPDX-License-Identifier: MIT */

/*
 * http-get DEVICE ADDRESS SERVER PORT NAME: gets a document through a TUN device, writes it to standard output. The exit
 * status is 0 if the server's was 200. README.md shows how.
 */

#include "get.h"
#include "tun_host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void print(void *context, const void *data, size_t len)
{
	fwrite(data, 1, len, context);
}

/* Returns the answer's status or a negative errno. */
static int run(struct tun_host *host, const struct get_request *request)
{
	struct get *get;
	int status = get_begin(host->host, request, &get);

	if (status)
		return status;
	do {
		status = tun_host_turn(host);
		if (!status)
			status = get_turn(get);
	} while (status == -EAGAIN);
	get_end(get);
	/* The end still leaves. */
	tun_host_turn(host);
	return status;
}

int main(int argc, char **argv)
{
	struct get_request request = {.content = print, .context = stdout};
	struct tun_host host;
	int status;

	if (argc != 6 || cothon_addr_parse(argv[3], &request.server.addr) ||
	    cothon_port_parse(argv[4], strlen(argv[4]), COTHON_TCP, &request.server.port)) {
		fprintf(stderr, "usage: %s DEVICE ADDRESS SERVER PORT NAME\n", argv[0]);
		return 2;
	}
	request.name = argv[5];
	status = tun_host_create(&host, argv[1], argv[2]);
	if (status) {
		fprintf(stderr, "%s with %s: %s\n", argv[1], argv[2], strerror(-status));
		return 1;
	}
	status = run(&host, &request);
	tun_host_destroy(&host);
	if (status != 200)
		fprintf(stderr, "%s\n", status < 0 ? strerror(-status) : "the answer is not 200");
	return status != 200;
}
