/* SPDX-License-Identifier: MIT */

/*
 * Loads of one kind, for tests/e2e/attack.bats:
 *
 *   flood syn ADDR COUNT              SYNs from random ports to random ports, by a raw socket
 *   flood connect ADDR PORT COUNT     connections that are reset as soon as they stand
 *   flood scan ADDR FIRST LAST        connects to each port; prints how many refused, and which are open
 *   flood stall ADDR PORT COUNT       connections that do not read, until standard input ends
 *   flood pour PORT                   a server that sends as much as it can on each connection
 *
 * ADDR is an IPv4 address. The status is 0 when all of it could be done.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	PARALLEL = 256,
	CONNECTIONS = 65536,
};

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static struct sockaddr_in address(const char *text, unsigned long port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	if (inet_pton(AF_INET, text, &at.sin_addr) != 1) {
		fprintf(stderr, "flood: %s is no IPv4 address\n", text);
		exit(1);
	}
	return at;
}

/* SYNs */

struct syn {
	struct iphdr ip;
	struct tcphdr tcp;
};

static uint32_t sum(const void *data, size_t len, uint32_t sum)
{
	const uint8_t *at = data;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)at[i] << 8 | at[i + 1];
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* The address that packets to `to` leave from. */
static uint32_t own_address(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in own = {0};
	socklen_t len = sizeof(own);

	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&own, &len) < 0)
		fail("flood: no way there");
	close(fd);
	return own.sin_addr.s_addr;
}

static void send_syn(int fd, const struct sockaddr_in *to, uint32_t own, uint32_t random)
{
	struct syn syn = {
		.ip = {.ihl = 5,
		       .version = 4,
		       .tot_len = htons(sizeof(syn)),
		       .ttl = 64,
		       .protocol = IPPROTO_TCP,
		       .saddr = own,
		       .daddr = to->sin_addr.s_addr},
		.tcp = {.source = htons((uint16_t)(1024 + (random & 0x7fff))),
			.dest = htons((uint16_t)(1 + (random >> 16 & 0x7fff))),
			.seq = random,
			.doff = 5,
			.syn = 1,
			.window = htons(65535)},
	};
	uint32_t pseudo = sum(&syn.ip.saddr, 8, IPPROTO_TCP + sizeof(syn.tcp));

	syn.tcp.check = fold(sum(&syn.tcp, sizeof(syn.tcp), pseudo));
	while (sendto(fd, &syn, sizeof(syn), 0, (const struct sockaddr *)to, sizeof(*to)) < 0) {
		struct pollfd poller = {.fd = fd, .events = POLLOUT};

		if (errno != ENOBUFS && errno != EAGAIN)
			fail("flood: sendto");
		poll(&poller, 1, 1);
	}
}

static void flood_syns(const char *addr, unsigned long count)
{
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	struct sockaddr_in to = address(addr, 9);
	uint32_t own = own_address(&to), random = 1;

	if (fd < 0)
		fail("flood: raw socket");
	for (unsigned long i = 0; i < count; i++) {
		random = random * 1664525 + 1013904223;
		send_syn(fd, &to, own, random ^ random >> 13);
	}
	close(fd);
}

/* Connections */

static void raise_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void watch(int epoll, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		fail("flood: epoll_ctl");
}

static int begin(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0)
		fail("flood: socket");
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0 && errno != EINPROGRESS)
		fail("flood: connect");
	return fd;
}

static int error_of(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	return error;
}

static void reset(int fd)
{
	const struct linger linger = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

struct tally {
	unsigned long open, refused, other;
};

/* Connects to each port `first` + i * `step`, many at a time, and resets what stands. */
static struct tally connect_all(const char *addr, unsigned long first, unsigned long count,
				unsigned long step)
{
	static unsigned long ports[CONNECTIONS];
	struct tally tally = {0};
	unsigned long begun = 0, under_way = 0;
	int epoll = epoll_create1(0);

	while (begun < count || under_way > 0) {
		struct epoll_event events[PARALLEL];
		int ready;

		for (; begun < count && under_way < PARALLEL; begun++, under_way++) {
			struct sockaddr_in to = address(addr, first + begun * step);
			int fd = begin(&to);

			ports[fd] = first + begun * step;
			watch(epoll, fd, EPOLLOUT);
		}
		ready = epoll_wait(epoll, events, PARALLEL, 60000);
		if (ready <= 0)
			fail("flood: a minute without an answer");
		for (int i = 0; i < ready; i++, under_way--) {
			int fd = events[i].data.fd, error = error_of(fd);

			tally.open += error == 0;
			tally.refused += error == ECONNREFUSED;
			tally.other += error != 0 && error != ECONNREFUSED;
			if (step && error == 0)
				printf("open %lu\n", ports[fd]);
			reset(fd);
		}
	}
	close(epoll);
	return tally;
}

static void stall(const char *addr, unsigned long port, unsigned long count)
{
	struct sockaddr_in to = address(addr, port);
	struct pollfd poller = {.fd = STDIN_FILENO, .events = POLLIN};
	unsigned long standing = 0;
	int epoll = epoll_create1(0);

	for (unsigned long i = 0; i < count; i++)
		watch(epoll, begin(&to), EPOLLOUT | EPOLLONESHOT);
	while (standing < count) {
		struct epoll_event events[PARALLEL];
		int ready = epoll_wait(epoll, events, PARALLEL, 60000);

		if (ready <= 0)
			fail("flood: a minute without an answer");
		for (int i = 0; i < ready; i++) {
			if (error_of(events[i].data.fd))
				fail("flood: a connection was refused");
			standing++;
		}
	}
	printf("standing %lu\n", standing);
	fflush(stdout);
	poll(&poller, 1, -1);
}

static void pour_into(int fd)
{
	static const char zeros[65536];
	ssize_t sent;

	do
		sent = send(fd, zeros, sizeof(zeros), MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent > 0);
	if (sent < 0 && errno != EAGAIN)
		close(fd);
}

static _Noreturn void pour(unsigned long port)
{
	struct sockaddr_in at = address("0.0.0.0", port);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), epoll = epoll_create1(0);

	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(listener, 4096) < 0)
		fail("flood: listen");
	watch(epoll, listener, EPOLLIN);
	for (;;) {
		struct epoll_event events[PARALLEL];
		int ready = epoll_wait(epoll, events, PARALLEL, -1), fd;

		for (int i = 0; i < ready; i++) {
			if (events[i].data.fd != listener) {
				pour_into(events[i].data.fd);
				continue;
			}
			while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
				watch(epoll, fd, EPOLLOUT | EPOLLET);
		}
	}
}

static unsigned long number(const char *text)
{
	return strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
	const char *kind = argc > 2 ? argv[1] : "";
	struct tally tally;

	raise_limit();
	if (strcmp(kind, "syn") == 0 && argc == 4) {
		flood_syns(argv[2], number(argv[3]));
	} else if (strcmp(kind, "connect") == 0 && argc == 5) {
		tally = connect_all(argv[2], number(argv[3]), number(argv[4]), 0);
		printf("connected %lu refused %lu other %lu\n", tally.open, tally.refused,
		       tally.other);
		return tally.other > 0;
	} else if (strcmp(kind, "scan") == 0 && argc == 5) {
		tally = connect_all(argv[2], number(argv[3]), number(argv[4]) - number(argv[3]) + 1,
				    1);
		printf("refused %lu other %lu\n", tally.refused, tally.other);
		return tally.other > 0;
	} else if (strcmp(kind, "stall") == 0 && argc == 5) {
		stall(argv[2], number(argv[3]), number(argv[4]));
	} else if (strcmp(kind, "pour") == 0) {
		pour(number(argv[2]));
	} else {
		fprintf(stderr, "usage: flood syn|connect|scan|stall|pour ...\n");
		return 2;
	}
	return 0;
}
