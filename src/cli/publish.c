/* SPDX-License-Identifier: MIT */
#include "cli/publish.h"

#include <cothon/service.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A piece of the text. */
struct piece {
	const char *text;
	size_t len;
};

/* For "%.*s". */
#define PIECE(piece) (int)(piece).len, (piece).text

struct range {
	uint16_t first, last;
};

static struct piece piece(const char *begin, const char *end)
{
	return (struct piece){.text = begin, .len = (size_t)(end - begin)};
}

/* The last place of a character in a piece, or NULL. */
static const char *last(struct piece piece, char wanted)
{
	return piece.len ? memrchr(piece.text, wanted, piece.len) : NULL;
}

/* Cuts "/tcp" or "/udp" off the end. */
static int take_transport(struct piece *whole, uint8_t *transport, struct cli_error *error)
{
	const char *slash = last(*whole, '/');
	unsigned number;
	struct piece name;

	*transport = COTHON_TCP;
	if (!slash)
		return 0;
	name = piece(slash + 1, whole->text + whole->len);
	number = cothon_transport_by_name(name.text, name.len);
	if (number != COTHON_TCP && number != COTHON_UDP)
		return cli_error(
			error, "\"%.*s\" is no transport that can be published; write /tcp or /udp",
			PIECE(name));
	*transport = (uint8_t)number;
	whole->len = (size_t)(slash - whole->text);
	return 0;
}

static int refuse_port(struct piece text, uint8_t transport, int reason, struct cli_error *error)
{
	const char *nearest;

	if (text.len == 0)
		return cli_error(error, "a port is missing; write " CLI_PUBLISH_FORM);
	if (reason == -ERANGE)
		return cli_error(error, "there is no port %.*s; ports are 1 to 65535", PIECE(text));
	if (cothon_service_nearest(text.text, text.len, &nearest, 1) == 1)
		return cli_error(error, "there is no %s service called \"%.*s\"; did you mean %s?",
				 cothon_transport_name(transport), PIECE(text), nearest);
	return cli_error(error,
			 "there is no %s service called \"%.*s\"; write a number, or a name that "
			 "`cothon services` knows",
			 cothon_transport_name(transport), PIECE(text));
}

static int parse_port(struct piece text, uint8_t transport, uint16_t *port)
{
	return text.len ? cothon_port_parse(text.text, text.len, transport, port) : -EINVAL;
}

/*
 * PORT or PORT-PORT. Services have hyphens in their names, so what is no port as a whole is tried
 * as a range at each hyphen.
 */
static int parse_range(struct piece text, uint8_t transport, struct range *range,
		       struct cli_error *error)
{
	const char *end = text.text + text.len;
	bool numbers = text.len && text.text[0] >= '0' && text.text[0] <= '9';
	int reason = parse_port(text, transport, &range->first);
	struct piece wrong = text;

	range->last = range->first;
	for (const char *hyphen = text.text; reason < 0 && hyphen < end; hyphen++) {
		struct piece low = piece(text.text, hyphen), high = piece(hyphen + 1, end);

		if (*hyphen != '-')
			continue;
		reason = parse_port(low, transport, &range->first);
		if (numbers)
			wrong = reason < 0 ? low : high;
		if (reason == 0)
			reason = parse_port(high, transport, &range->last);
	}
	if (reason < 0)
		return refuse_port(wrong, transport, reason, error);
	if (range->last < range->first)
		return cli_error(error, "the range %.*s ends before it begins; write %u-%u",
				 PIECE(text), range->last, range->first);
	return 0;
}

/* ADDR, an IPv6 one in brackets. */
static int parse_addr(struct piece text, struct cothon_addr *addr, struct cli_error *error)
{
	char copy[COTHON_ADDR_TEXT];
	bool brackets = text.len >= 2 && text.text[0] == '[' && text.text[text.len - 1] == ']';
	struct piece bare = brackets ? piece(text.text + 1, text.text + text.len - 1) : text;
	bool known = false;

	if (bare.len < sizeof(copy)) {
		memcpy(copy, bare.text, bare.len);
		copy[bare.len] = '\0';
		known = cothon_addr_parse(copy, addr) == 0;
	}
	if (!brackets && memchr(bare.text, ':', bare.len))
		return cli_error(error,
				 known ? "an IPv6 address is written in brackets: [%.*s]"
				       : "\"%.*s\" is no address; write " CLI_PUBLISH_FORM,
				 PIECE(bare));
	if (!known)
		return cli_error(
			error,
			"\"%.*s\" is no address; write one of this machine's, or none for all",
			PIECE(text));
	return 0;
}

int cli_publish_parse(const char *text, struct relay_publication *publication,
		      struct cli_error *error)
{
	struct piece whole = {.text = text, .len = strlen(text)};
	struct piece outside;
	struct range out = {0}, in = {0};
	const char *colon, *addr_end;
	int reason;

	memset(publication, 0, sizeof(*publication));
	reason = take_transport(&whole, &publication->transport, error);
	if (reason < 0)
		return reason;
	colon = last(whole, ':');
	if (!colon)
		return cli_error(error,
				 "a port outside and a port inside belong together; write "
				 "%.*s:%.*s, or " CLI_PUBLISH_FORM,
				 PIECE(whole), PIECE(whole));
	reason = parse_range(piece(colon + 1, whole.text + whole.len), publication->transport, &in,
			     error);
	if (reason < 0)
		return reason;
	outside = piece(text, colon);
	addr_end = last(outside, ':');
	if (addr_end) {
		reason = parse_addr(piece(text, addr_end), &publication->addr, error);
		if (reason < 0)
			return reason;
		publication->has_addr = true;
		outside = piece(addr_end + 1, colon);
	}
	reason = parse_range(outside, publication->transport, &out, error);
	if (reason < 0)
		return reason;
	if (out.last - out.first != in.last - in.first)
		return cli_error(error, "%u ports outside and %u inside; both must be as many",
				 out.last - out.first + 1U, in.last - in.first + 1U);
	publication->outside = out.first;
	publication->inside = in.first;
	publication->count = (uint16_t)(out.last - out.first + 1);
	return 0;
}

char *cli_publish_format(const struct relay_publication *publication,
			 char text[static CLI_PUBLISH_TEXT])
{
	const struct cothon_addr *addr = &publication->addr;
	bool ipv6 = !cothon_addr_is_ipv4(addr);
	char addr_text[COTHON_ADDR_TEXT], before[COTHON_ADDR_TEXT + 4] = "", last_out[8] = "",
								    last_in[8] = "";

	if (publication->has_addr)
		snprintf(before, sizeof(before), "%s%s%s:", ipv6 ? "[" : "",
			 cothon_addr_format(addr, addr_text), ipv6 ? "]" : "");
	if (publication->count > 1) {
		snprintf(last_out, sizeof(last_out), "-%u",
			 publication->outside + publication->count - 1U);
		snprintf(last_in, sizeof(last_in), "-%u",
			 publication->inside + publication->count - 1U);
	}
	snprintf(text, CLI_PUBLISH_TEXT, "%s%u%s:%u%s%s", before, publication->outside, last_out,
		 publication->inside, last_in, publication->transport == COTHON_UDP ? "/udp" : "");
	return text;
}

/* Whether sockets bound to both addresses would meet. */
static bool addresses_meet(const struct relay_publication *a, const struct relay_publication *b)
{
	if (!a->has_addr || !b->has_addr || cothon_addr_equal(&a->addr, &b->addr))
		return true;
	if (cothon_addr_is_ipv4(&a->addr) != cothon_addr_is_ipv4(&b->addr))
		return false;
	return cothon_addr_is_any(&a->addr) || cothon_addr_is_any(&b->addr);
}

bool cli_publish_conflict(const struct relay_publication *a, const struct relay_publication *b,
			  uint16_t *port)
{
	const struct relay_publication *later = a->outside > b->outside ? a : b;
	const struct relay_publication *earlier = later == a ? b : a;

	if (a->transport != b->transport || !addresses_meet(a, b) ||
	    later->outside - earlier->outside >= earlier->count)
		return false;
	*port = later->outside;
	return true;
}
