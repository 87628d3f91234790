/* SPDX-License-Identifier: MIT */
#include <cothon/addr.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* In front of the four bytes of an IPv4 address. */
static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* The four bytes of an IPv4 address. */
static const uint8_t *ipv4(const struct cothon_addr *addr)
{
	return addr->b + sizeof(mapped);
}

struct cothon_addr cothon_addr_ipv4(const uint8_t bytes[static 4])
{
	struct cothon_addr addr;

	memcpy(addr.b, mapped, sizeof(mapped));
	memcpy(addr.b + sizeof(mapped), bytes, 4);
	return addr;
}

struct cothon_addr cothon_addr_ipv6(const uint8_t bytes[static 16])
{
	struct cothon_addr addr;

	memcpy(addr.b, bytes, 16);
	return addr;
}

bool cothon_addr_is_ipv4(const struct cothon_addr *addr)
{
	return memcmp(addr->b, mapped, sizeof(mapped)) == 0;
}

bool cothon_addr_is_any(const struct cothon_addr *addr)
{
	if (cothon_addr_is_ipv4(addr))
		return addr->w[3] == 0;
	return addr->q[0] == 0 && addr->q[1] == 0;
}

bool cothon_addr_is_loopback(const struct cothon_addr *addr)
{
	if (cothon_addr_is_ipv4(addr))
		return ipv4(addr)[0] == 127;
	return addr->q[0] == 0 && addr->w[2] == 0 && addr->w[3] == htonl(1);
}

bool cothon_addr_is_link_local(const struct cothon_addr *addr)
{
	if (cothon_addr_is_ipv4(addr))
		return ipv4(addr)[0] == 169 && ipv4(addr)[1] == 254;
	return addr->b[0] == 0xfe && (addr->b[1] & 0xc0) == 0x80;
}

bool cothon_addr_is_multicast(const struct cothon_addr *addr)
{
	if (cothon_addr_is_ipv4(addr))
		return (ipv4(addr)[0] & 0xf0) == 0xe0;
	return addr->b[0] == 0xff;
}

bool cothon_addr_is_unicast(const struct cothon_addr *addr)
{
	if (cothon_addr_is_ipv4(addr))
		return ipv4(addr)[0] != 0 && ipv4(addr)[0] < 224;
	return !cothon_addr_is_any(addr) && !cothon_addr_is_multicast(addr);
}

bool cothon_addr_in_prefix(const struct cothon_addr *addr, const struct cothon_addr *prefix,
			   unsigned bits)
{
	bool is_ipv4 = cothon_addr_is_ipv4(addr);

	if (is_ipv4 != cothon_addr_is_ipv4(prefix) || bits > (is_ipv4 ? 32 : 128))
		return false;
	if (is_ipv4)
		bits += 8 * sizeof(mapped);

	unsigned whole = bits / 8;

	if (memcmp(addr->b, prefix->b, whole) != 0)
		return false;
	return bits % 8 == 0 || (addr->b[whole] ^ prefix->b[whole]) >> (8 - bits % 8) == 0;
}

int cothon_addr_parse(const char *text, struct cothon_addr *addr)
{
	uint8_t bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1)
		*addr = cothon_addr_ipv4(bytes);
	else if (inet_pton(AF_INET6, text, bytes) == 1)
		*addr = cothon_addr_ipv6(bytes);
	else
		return -EINVAL;
	return 0;
}

char *cothon_addr_format(const struct cothon_addr *addr, char text[static COTHON_ADDR_TEXT])
{
	/* With this much room it cannot fail. */
	if (cothon_addr_is_ipv4(addr))
		inet_ntop(AF_INET, ipv4(addr), text, COTHON_ADDR_TEXT);
	else
		inet_ntop(AF_INET6, addr->b, text, COTHON_ADDR_TEXT);
	return text;
}

char *cothon_endpoint_format(const struct cothon_endpoint *endpoint,
			     char text[static COTHON_ENDPOINT_TEXT])
{
	char addr[COTHON_ADDR_TEXT];
	bool is_ipv4 = cothon_addr_is_ipv4(&endpoint->addr);

	cothon_addr_format(&endpoint->addr, addr);
	snprintf(text, COTHON_ENDPOINT_TEXT, is_ipv4 ? "%s:%u" : "[%s]:%u", addr, endpoint->port);
	return text;
}

struct cothon_flow cothon_flow_make(enum cothon_transport transport,
				    const struct cothon_endpoint *local,
				    const struct cothon_endpoint *remote)
{
	_Static_assert(sizeof(struct cothon_flow) == 40, "a flow has no padding");
	return (struct cothon_flow){
		.local = local->addr,
		.remote = remote->addr,
		.local_port = local->port,
		.remote_port = remote->port,
		.transport = (uint8_t)transport,
	};
}

struct cothon_endpoint cothon_flow_local(const struct cothon_flow *flow)
{
	return (struct cothon_endpoint){.addr = flow->local, .port = flow->local_port};
}

struct cothon_endpoint cothon_flow_remote(const struct cothon_flow *flow)
{
	return (struct cothon_endpoint){.addr = flow->remote, .port = flow->remote_port};
}

bool cothon_flow_equal(const struct cothon_flow *a, const struct cothon_flow *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}
