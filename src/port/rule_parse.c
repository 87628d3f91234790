/* SPDX-License-Identifier: MIT */
#include <cothon/rule.h>

#include "port/name.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A piece of the rule's text. */
struct piece {
	const char *text;
	size_t len;
};

/* A rule's text in its pieces. */
struct pieces {
	struct piece whole;
	struct piece destination; /* without brackets */
	bool brackets;
	struct piece ports; /* NULL: none are named */
	struct piece transport;
};

/* For "%.*s": of a long piece its beginning. */
#define PIECE(piece) (int)((piece).len < 64 ? (piece).len : 64), (piece).text

#define FORM "DEST[:PORTS][/tcp|/udp]"

static struct piece piece(const char *begin, const char *end)
{
	return (struct piece){.text = begin, .len = (size_t)(end - begin)};
}

static const char *end_of(struct piece piece)
{
	return piece.text + piece.len;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex_digit(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Whether it is the word, in whatever case; the word is of lower-case letters. */
static bool is_word(struct piece piece, const char *word)
{
	size_t i = 0;

	/* The bit 0x20 makes lower-case letters of upper-case ones, and letters of nothing else. */
	while (i < piece.len && word[i] && (piece.text[i] | 0x20) == word[i])
		i++;
	return i == piece.len && !word[i];
}

/* The first place of any of some characters, or the end. */
static const char *find(struct piece piece, const char *characters)
{
	const char *c = piece.text;

	while (c < end_of(piece) && !strchr(characters, *c))
		c++;
	return c;
}

/* The first place of a character other than some, or the end. */
static const char *find_other(struct piece piece, const char *characters)
{
	const char *c = piece.text;

	while (c < end_of(piece) && strchr(characters, *c))
		c++;
	return c;
}

__attribute__((format(printf, 4, 5))) static int fail(const struct pieces *pieces,
						      struct piece wrong,
						      struct cothon_rule_error *error,
						      const char *format, ...)
{
	va_list arguments;

	error->at = (size_t)(wrong.text - pieces->whole.text);
	error->len = wrong.len;
	va_start(arguments, format);
	vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	return -EINVAL;
}

/* Pieces. */

/* What no rule is, and what none has in it, so that no message repeats it to a terminal. */
static int check_text(const struct pieces *pieces, struct cothon_rule_error *error)
{
	const char *scheme;

	if (pieces->whole.len > COTHON_RULE_LEN)
		return fail(pieces, pieces->whole, error,
			    "a rule has at most %d characters; make several of it",
			    COTHON_RULE_LEN);
	scheme = memmem(pieces->whole.text, pieces->whole.len, "://", 3);
	for (const char *c = pieces->whole.text; c < end_of(pieces->whole); c++) {
		if ((unsigned char)*c >= 0x80)
			return fail(pieces, piece(c, c + 1), error,
				    "a rule is written in ASCII, a name with other letters in its "
				    "A-label form (xn--...), which idn2(1) prints");
		if (*c <= ' ' || *c == 0x7f)
			return fail(pieces, piece(c, c + 1), error,
				    "a rule has neither spaces nor control characters in it; quote "
				    "each rule by itself");
	}
	if (scheme)
		return fail(pieces, piece(scheme, scheme + 3), error,
			    "a rule is no URL: write its host and port, as in example.com:https");
	return 0;
}

/* Whether the text begins with what can only be an IPv6 address: no name is followed by two colons. */
static bool begins_with_ipv6(struct piece text)
{
	struct piece rest = piece(text.text, find(text, "/%"));
	unsigned colons = 0;

	for (const char *c = rest.text; c < end_of(rest); c++) {
		if (*c == ':')
			colons++;
		else if (colons == 0 && !is_hex_digit(*c))
			return false;
	}
	return colons > 1;
}

/* Where the destination ends that the text begins with: a prefix has a slash of its own. */
static const char *destination_end(struct piece text)
{
	const char *end = find(text, begins_with_ipv6(text) ? "/" : ":/");

	if (end + 1 < end_of(text) && *end == '/' && is_digit(end[1]))
		end = find(piece(end + 1, end_of(text)), ":/");
	return end;
}

/* Whether the last item of a list of ports is a service that has a slash in its name. */
static bool ends_with_service(struct piece ports)
{
	const char *comma = memrchr(ports.text, ',', ports.len);
	struct piece item = comma ? piece(comma + 1, end_of(ports)) : ports;
	uint16_t port;

	return cothon_port_parse(item.text, item.len, 0, &port) == 0;
}

/* Takes what is behind the destination apart. */
static int split_rest(struct pieces *pieces, struct piece rest, struct cothon_rule_error *error)
{
	const char *slash = rest.len ? memrchr(rest.text, '/', rest.len) : NULL;

	if (rest.len == 0)
		return 0;
	if (*rest.text == ':') {
		pieces->ports = piece(rest.text + 1, end_of(rest));
		if (!slash || ends_with_service(pieces->ports))
			return 0;
		pieces->ports = piece(rest.text + 1, slash);
		pieces->transport = piece(slash + 1, end_of(rest));
	} else if (pieces->brackets && rest.len > 1 && *rest.text == '/' &&
		   is_digit(rest.text[1])) {
		return fail(pieces, rest, error,
			    "a prefix has its bits inside the brackets: [%.*s%.*s]",
			    PIECE(pieces->destination), PIECE(rest));
	} else if (*rest.text == '/') {
		pieces->transport = piece(rest.text + 1, end_of(rest));
	} else {
		return fail(pieces, rest, error,
			    "behind a bracket come only ports, as in :443, and /tcp or /udp");
	}
	return 0;
}

static int split(struct pieces *pieces, struct cothon_rule_error *error)
{
	struct piece whole = pieces->whole;
	const char *end;

	if (whole.len == 0)
		return fail(pieces, whole, error,
			    "it is empty; write " FORM ", as in example.com:https");
	pieces->brackets = *whole.text == '[';
	if (!pieces->brackets) {
		end = destination_end(whole);
		pieces->destination = piece(whole.text, end);
		return split_rest(pieces, piece(end, end_of(whole)), error);
	}
	end = find(whole, "]");
	if (end == end_of(whole))
		return fail(pieces, whole, error, "the bracket is not closed");
	pieces->destination = piece(whole.text + 1, end);
	return split_rest(pieces, piece(end + 1, end_of(whole)), error);
}

/* Destinations. */

/* The number of bits behind the slash; `most` is what the family has. */
static int parse_bits(const struct pieces *pieces, struct piece text, unsigned most,
		      struct cothon_rule *rule, struct cothon_rule_error *error)
{
	unsigned bits = 0;

	for (const char *c = text.text; c < end_of(text); c++) {
		if (!is_digit(*c) || text.len > 3)
			return fail(pieces, text, error,
				    "\"%.*s\" is no number of bits; a prefix has 0 to %u",
				    PIECE(text), most);
		bits = 10 * bits + (unsigned)(*c - '0');
	}
	if (bits > most || text.len == 0)
		return fail(pieces, text, error, "an %s prefix has 0 to %u bits, not \"%.*s\"",
			    most == 32 ? "IPv4" : "IPv6", most, PIECE(text));
	rule->bits = (uint8_t)bits;
	return 0;
}

/* Clears the bits of an address that do not count in its prefix; returns whether any was set. */
static bool clear_bits(struct cothon_addr *addr, unsigned bits)
{
	unsigned first = bits + (cothon_addr_is_ipv4(addr) ? 96 : 0);
	bool any = false;

	for (unsigned i = first; i < 128; i++) {
		uint8_t bit = (uint8_t)(0x80 >> i % 8);
		any |= addr->b[i / 8] & bit;
		addr->b[i / 8] &= (uint8_t)~bit;
	}
	return any;
}

static bool parse_addr(struct piece text, struct cothon_addr *addr)
{
	char copy[COTHON_ADDR_TEXT];

	if (text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.text, text.len);
	copy[text.len] = '\0';
	return cothon_addr_parse(copy, addr) == 0;
}

static int refuse_addr(const struct pieces *pieces, struct piece text, bool ipv6,
		       struct cothon_rule_error *error)
{
	const char *zone = find(text, "%");

	if (ipv6 && zone < end_of(text))
		return fail(pieces, piece(zone, end_of(text)), error,
			    "rules are about addresses without a zone; leave \"%.*s\" out",
			    PIECE(piece(zone, end_of(text))));
	return fail(pieces, text, error, "\"%.*s\" is no IPv%u address; write one such as %s",
		    PIECE(text), ipv6 ? 6 : 4, ipv6 ? "2001:db8::1" : "192.0.2.1");
}

static int parse_prefix(const struct pieces *pieces, bool ipv6, struct cothon_rule *rule,
			struct cothon_rule_error *error)
{
	struct piece text = pieces->destination;
	const char *slash = find(text, "/");
	struct piece addr = piece(text.text, slash);
	char network[COTHON_ADDR_TEXT];
	unsigned most;

	rule->kind = COTHON_RULE_PREFIX;
	if (!parse_addr(addr, &rule->addr))
		return refuse_addr(pieces, addr, ipv6, error);
	/* An IPv4 address in IPv6's notation (::ffff:10.0.0.1) is an IPv4 address. */
	most = cothon_addr_is_ipv4(&rule->addr) ? 32 : 128;
	rule->bits = (uint8_t)most;
	if (slash == end_of(text))
		return 0;
	if (parse_bits(pieces, piece(slash + 1, end_of(text)), most, rule, error) < 0)
		return -EINVAL;
	if (clear_bits(&rule->addr, rule->bits))
		return fail(pieces, text, error,
			    "%.*s has bits beyond its prefix; write %s/%u, or the address alone",
			    PIECE(text), cothon_addr_format(&rule->addr, network), rule->bits);
	return 0;
}

/* Whether the last label of a name is a number, as in an address that is written badly. */
static bool ends_in_number(const char *name)
{
	const char *dot = strrchr(name, '.');
	const char *label = dot ? dot + 1 : name;

	return label[strspn(label, "0123456789")] == '\0';
}

static int parse_name(const struct pieces *pieces, struct cothon_rule *rule,
		      struct cothon_rule_error *error)
{
	struct piece text = pieces->destination;
	const char *fault, *slash = find(text, "/");

	if (slash < end_of(text))
		return fail(pieces, text, error,
			    "only an address has a prefix; \"%.*s\" is none, write it without %.*s",
			    PIECE(piece(text.text, slash)), PIECE(piece(slash, end_of(text))));
	rule->kind = COTHON_RULE_NAME;
	if (text.len > 1 && memcmp(text.text, "*.", 2) == 0) {
		rule->kind = COTHON_RULE_BELOW;
		text = piece(text.text + 2, end_of(text));
	}
	if (find(text, "*") < end_of(text))
		return fail(pieces, text, error,
			    "the star stands only in front of a name, as in *.example.com; all "
			    "destinations are `any`");
	fault = cothon_name_read(text.text, text.len, rule->name);
	if (!fault && ends_in_number(rule->name))
		fault = "it ends in a number, and it is no address either";
	if (fault)
		return fail(pieces, text, error, "\"%.*s\" is no domain name: %s", PIECE(text),
			    fault);
	return 0;
}

static int parse_destination(const struct pieces *pieces, struct cothon_rule *rule,
			     struct cothon_rule_error *error)
{
	struct piece text = pieces->destination;
	struct piece bare = piece(text.text, find(text, "/"));
	bool ipv6 = pieces->brackets || begins_with_ipv6(text);

	if (text.len == 0)
		return fail(pieces, pieces->whole, error,
			    "the destination is missing; write `any` for all, or " FORM);
	if (!pieces->brackets && ipv6 && pieces->ports.text)
		return fail(pieces, text, error,
			    "an IPv6 prefix with ports stands in brackets: [%.*s]:443",
			    PIECE(text));
	if (ipv6)
		return parse_prefix(pieces, true, rule, error);
	if (is_word(bare, "any")) {
		if (bare.len < text.len)
			return fail(pieces, text, error,
				    "`any` has no prefix; write it without, or an address");
		rule->kind = COTHON_RULE_ANY;
		return 0;
	}
	/* A name has more than digits and dots (RFC 1123 section 2.1). */
	if (bare.len == 0 || !is_digit(*bare.text) ||
	    find_other(bare, "0123456789.") < end_of(bare))
		return parse_name(pieces, rule, error);
	return parse_prefix(pieces, false, rule, error);
}

/* Ports. */

/* Adds a range to the rule's, which stay in order and do not touch. Returns whether it has room. */
static bool add_range(struct cothon_rule *rule, struct cothon_port_range range)
{
	unsigned first = 0, last;

	while (first < rule->port_count && rule->ports[first].last + 1 < range.first)
		first++;
	for (last = first; last < rule->port_count && rule->ports[last].first <= range.last + 1;
	     last++) {
		if (rule->ports[last].first < range.first)
			range.first = rule->ports[last].first;
		if (rule->ports[last].last > range.last)
			range.last = rule->ports[last].last;
	}
	if (last == first && rule->port_count == COTHON_RULE_PORTS)
		return false;
	memmove(&rule->ports[first + 1], &rule->ports[last],
		(rule->port_count - last) * sizeof(range));
	rule->ports[first] = range;
	rule->port_count = (uint8_t)(rule->port_count + 1 - (last - first));
	return true;
}

/* Whether the rule is about the transport. */
static bool has_transport(const struct cothon_rule *rule, unsigned transport)
{
	return (rule->tcp && transport == COTHON_TCP) || (rule->udp && transport == COTHON_UDP);
}

/* The service of a name of `len` characters, or NULL. */
static const struct cothon_service *find_service(struct piece name)
{
	char copy[COTHON_SERVICE_NAME];

	if (name.len >= sizeof(copy))
		return NULL;
	memcpy(copy, name.text, name.len);
	copy[name.len] = '\0';
	return cothon_service_by_name(copy, 0);
}

/* Adds all ports that a service has on the rule's transports. Returns how many it has, or -E2BIG. */
static int add_service(struct cothon_rule *rule, const struct cothon_service *service)
{
	int count = 0;

	for (; service; service = cothon_service_next(service)) {
		struct cothon_port_range range = {service->port, service->last_port};

		if (!has_transport(rule, service->transport))
			continue;
		if (!add_range(rule, range))
			return -E2BIG;
		count++;
	}
	return count;
}

static int refuse_port(const struct pieces *pieces, struct piece text, int reason,
		       struct cothon_rule_error *error)
{
	const char *nearest;

	if (text.len == 0)
		return fail(pieces, pieces->ports, error,
			    "a port is missing; write numbers, ranges and services, as in "
			    "80,8000-8099,https");
	if (reason == -ERANGE)
		return fail(pieces, text, error, "there is no port %.*s; ports are 1 to 65535",
			    PIECE(text));
	if (reason == -E2BIG)
		return fail(pieces, text, error,
			    "these are more than %d ranges of ports; make two rules of this one",
			    COTHON_RULE_PORTS);
	if (cothon_service_nearest(text.text, text.len, &nearest, 1) == 1)
		return fail(pieces, text, error,
			    "there is no service called \"%.*s\"; did you mean %s?", PIECE(text),
			    nearest);
	return fail(pieces, text, error,
		    "there is no service called \"%.*s\"; write a number, or a name that "
		    "`cothon services` knows",
		    PIECE(text));
}

/* A service that is there, but not on the rule's transports. */
static int refuse_service(const struct pieces *pieces, struct piece text,
			  const struct cothon_service *service, const struct cothon_rule *rule,
			  struct cothon_rule_error *error)
{
	const char *wanted = rule->tcp && rule->udp ? "tcp or udp" : rule->tcp ? "tcp" : "udp";

	return fail(pieces, text, error,
		    "the service %s has no port on %s, only on %s; write its number", service->name,
		    wanted, cothon_transport_name(service->transport));
}

/* A number, or a service's name: then its first port. */
static int parse_port(struct piece text, const struct cothon_rule *rule, uint16_t *port)
{
	unsigned transport = rule->tcp && rule->udp ? 0 : rule->tcp ? COTHON_TCP : COTHON_UDP;

	return cothon_port_parse(text.text, text.len, transport, port);
}

/* PORT-PORT. Services have hyphens in their names, so every hyphen is tried. */
static int parse_range(const struct pieces *pieces, struct piece text, struct cothon_rule *rule,
		       struct cothon_rule_error *error)
{
	struct cothon_port_range range;
	struct piece wrong = text;
	int reason = -ENOENT;

	for (const char *hyphen = text.text; reason < 0 && hyphen < end_of(text); hyphen++) {
		struct piece low = piece(text.text, hyphen);
		struct piece high = piece(hyphen + 1, end_of(text));

		if (*hyphen != '-')
			continue;
		reason = parse_port(low, rule, &range.first);
		if (is_digit(*text.text))
			wrong = reason < 0 ? low : high;
		if (reason == 0)
			reason = parse_port(high, rule, &range.last);
	}
	if (reason < 0)
		return refuse_port(pieces, wrong, reason, error);
	if (range.last < range.first)
		return fail(pieces, text, error,
			    "the range %.*s ends before it begins; write %u-%u", PIECE(text),
			    range.last, range.first);
	return add_range(rule, range) ? 0 : refuse_port(pieces, text, -E2BIG, error);
}

/* An item of the list. */
static int parse_item(const struct pieces *pieces, struct piece text, struct cothon_rule *rule,
		      struct cothon_rule_error *error)
{
	const struct cothon_service *service = find_service(text);
	struct cothon_port_range range;
	int reason;

	if (service) {
		reason = add_service(rule, service);
		if (reason == 0)
			return refuse_service(pieces, text, service, rule, error);
		return reason > 0 ? 0 : refuse_port(pieces, text, reason, error);
	}
	if (find(text, "-") < end_of(text))
		return parse_range(pieces, text, rule, error);
	reason = cothon_port_parse(text.text, text.len, 0, &range.first);
	range.last = range.first;
	if (reason == 0 && !add_range(rule, range))
		reason = -E2BIG;
	return reason < 0 ? refuse_port(pieces, text, reason, error) : 0;
}

static int parse_ports(const struct pieces *pieces, struct cothon_rule *rule,
		       struct cothon_rule_error *error)
{
	struct piece rest = pieces->ports;

	for (;;) {
		const char *comma = find(rest, ",");
		int reason = parse_item(pieces, piece(rest.text, comma), rule, error);

		if (reason < 0 || comma == end_of(rest))
			return reason;
		rest = piece(comma + 1, end_of(rest));
	}
}

static int parse_transport(const struct pieces *pieces, struct cothon_rule *rule,
			   struct cothon_rule_error *error)
{
	struct piece text = pieces->transport;
	unsigned number = cothon_transport_by_name(text.text, text.len);

	rule->tcp = number == COTHON_TCP;
	rule->udp = number == COTHON_UDP;
	if (number == COTHON_TCP || number == COTHON_UDP)
		return 0;
	return fail(pieces, text, error,
		    "\"%.*s\" is no transport that rules know; write /tcp or /udp, or neither for "
		    "both",
		    PIECE(text));
}

int cothon_rule_parse(const char *text, size_t len, bool allow, struct cothon_rule *rule,
		      struct cothon_rule_error *error)
{
	struct pieces pieces = {.whole = {text, len}};

	memset(rule, 0, sizeof(*rule));
	rule->allow = allow;
	rule->tcp = rule->udp = true;
	if (check_text(&pieces, error) < 0 || split(&pieces, error) < 0 ||
	    parse_destination(&pieces, rule, error) < 0)
		return -EINVAL;
	if (pieces.transport.text && parse_transport(&pieces, rule, error) < 0)
		return -EINVAL;
	if (pieces.ports.text)
		return parse_ports(&pieces, rule, error);
	rule->echo = !pieces.transport.text;
	return 0;
}
