/* SPDX-License-Identifier: MIT */
#ifndef COTHON_RULE_H
#define COTHON_RULE_H

/*
 * Rules: which destinations may be reached.
 *
 * A rule is DEST[:PORTS][/tcp|/udp]. DEST is an address, a prefix (10.0.0.0/8, fd00::/8; an IPv6 one with
 * ports stands in brackets: [fd00::/8]:443), a domain name, *.NAME (what is below the name, at any
 * depth, and not the name itself), or `any`. PORTS is a list of ports, ranges and service names,
 * separated by commas; a name stands for every port that the service has on the rule's transports.
 * Without ports and transport a rule is also about echo requests.
 *
 * With any rule that allows, everything else is denied; a rule that denies beats all that allow.
 */

#include <cothon/buf.h>
#include <cothon/service.h>

enum {
	COTHON_NAME_MAX =
		253, /* characters of a domain name without its last dot (RFC 1035 2.3.4) */
	COTHON_RULE_PORTS = 32,   /* ranges in one rule */
	COTHON_RULES_MAX = 65536, /* rules in one set */
	COTHON_RULE_LEN = 4096,   /* characters of a rule that is read */
	COTHON_RULE_TEXT = 512,   /* room for a rule's text, if it is longer it is cut with "..." */
};

enum cothon_rule_kind {
	COTHON_RULE_ANY,
	COTHON_RULE_PREFIX, /* an address is a prefix of all its bits */
	COTHON_RULE_NAME,
	COTHON_RULE_BELOW,
};

struct cothon_rule {
	bool allow;
	uint8_t kind;
	/* The transports it is about. */
	bool tcp, udp, echo;
	/* COTHON_RULE_PREFIX; `bits` counts in the address's own family; the others of `addr` are 0. */
	uint8_t bits;
	struct cothon_addr addr;
	/* In order, not touching one another; none: all ports. */
	uint8_t port_count;
	struct cothon_port_range ports[COTHON_RULE_PORTS];
	/* COTHON_RULE_NAME, COTHON_RULE_BELOW: lower case, without a last dot and without "*.". */
	char name[COTHON_NAME_MAX + 1];
};

/* What is wrong with a rule's text: where, and in words that need no more than the rule before them. */
struct cothon_rule_error {
	size_t at, len;
	char text[200];
};

/*
 * Reads a rule of `len` characters. Returns 0, or -EINVAL with *error filled in.
 */
int cothon_rule_parse(const char *text, size_t len, bool allow, struct cothon_rule *rule,
		      struct cothon_rule_error *error);
/*
 * Writes a rule in the form that is read, ports by number and without what it does; returns `text`.
 */
char *cothon_rule_format(const struct cothon_rule *rule, char text[static COTHON_RULE_TEXT]);
bool cothon_rule_equal(const struct cothon_rule *a, const struct cothon_rule *b);
/*
 * Brings a domain name to the form in which names are compared. Returns 0, or -EINVAL for what is
 * none (RFC 1035 section 2.3.1, with underscores; labels of 1 to 63 characters).
 */
int cothon_name_normalize(const char *name, size_t len, char normal[static COTHON_NAME_MAX + 1]);

/* A set of rules, which does not change. */
struct cothon_rules;

/*
 * Makes a set in *rules of `count` rules, which are copied, in their order. Returns 0, -ENOMEM,
 * -E2BIG above COTHON_RULES_MAX, or -EINVAL for a rule such as cothon_rule_parse() never makes.
 */
int cothon_rules_create(const struct cothon_memory *memory, const struct cothon_rule *list,
			size_t count, struct cothon_rules **rules);
/* NULL is no set, and nothing happens. */
void cothon_rules_destroy(struct cothon_rules *rules);
size_t cothon_rules_count(const struct cothon_rules *rules);
const struct cothon_rule *cothon_rules_at(const struct cothon_rules *rules, size_t i);
/* True when a rule is about a name: then names are told apart (synthetic addresses). */
bool cothon_rules_have_names(const struct cothon_rules *rules);

/* Where something wants to go. */
struct cothon_destination {
	/* COTHON_TCP, COTHON_UDP, or 0 for an echo request. */
	uint8_t transport;
	uint16_t port;
	/* In normal form; NULL: no name is known. */
	const char *name;
	/* NULL: no address is known yet. With both, a rule matches that matches either. */
	const struct cothon_addr *addr;
	/*
	 * Only rules that name the destination can allow it: prefixes of so many bits at least, in the
	 * address's own family. 0: it is open unless a rule says otherwise.
	 */
	uint8_t closed;
};

struct cothon_verdict {
	bool allowed;
	/* The rule that decided, by its place in the set; -1: none, it is so for want of one. */
	int32_t rule;
};

/*
 * Decides. The rule that is told is the first of those that deny, or, without any, of those that
 * allow. It takes time that grows with the logarithm of the number of rules, and with the number of
 * different places around the destination that rules are about: prefixes, and names it is below.
 */
struct cothon_verdict cothon_rules_decide(const struct cothon_rules *rules,
					  const struct cothon_destination *destination);
/*
 * Decides whether a name, in normal form, may be asked for: whether there is any port and transport
 * on which it could be reached by its name, or whether it could be sent an echo request. If so, the
 * rule that is told allows it somewhere. If not, it is the first that denies what would be allowed
 * without it; when nothing would, the first of those that deny everywhere, or -1 when somewhere
 * none does.
 */
struct cothon_verdict cothon_rules_decide_name(const struct cothon_rules *rules, const char *name);

/* What is odd about a rule. */
enum cothon_rule_oddity {
	COTHON_RULE_FINE,
	COTHON_RULE_TWICE,       /* `by` is the same */
	COTHON_RULE_HIDDEN,      /* `by` decides all that it is about */
	COTHON_RULE_UNREACHABLE, /* it is about addresses that no host has: multicast and the like */
};
/*
 * Looks at the rule at `i`. With COTHON_RULE_TWICE and COTHON_RULE_HIDDEN, *by is the other one's
 * place: that of an earlier one; or, when an allowing rule is hidden, of any that denies.
 *
 * A rule that is there twice or hidden never decides. Not all that never decide are found: what only
 * several others hide together is not, and a prefix that allows within one that allows is none, for
 * it may open what is closed.
 */
enum cothon_rule_oddity cothon_rules_oddity(const struct cothon_rules *rules, size_t i, size_t *by);

#endif
