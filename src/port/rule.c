/* SPDX-License-Identifier: MIT */
#include <cothon/rule.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Writing. */

/* The text as far as it is written. */
struct writer {
	char *text;
	size_t len;
	bool cut;
};

__attribute__((format(printf, 2, 3))) static void append(struct writer *writer, const char *format,
							 ...)
{
	static const char dots[] = "...";
	size_t room = COTHON_RULE_TEXT - writer->len;
	va_list arguments;
	int len;

	if (writer->cut)
		return;
	va_start(arguments, format);
	len = vsnprintf(writer->text + writer->len, room, format, arguments);
	va_end(arguments);
	if ((size_t)len < room) {
		writer->len += (size_t)len;
		return;
	}
	memcpy(writer->text + COTHON_RULE_TEXT - sizeof(dots), dots, sizeof(dots));
	writer->cut = true;
}

static void append_prefix(struct writer *writer, const struct cothon_rule *rule)
{
	char addr[COTHON_ADDR_TEXT];
	bool ipv4 = cothon_addr_is_ipv4(&rule->addr);
	/* What comes behind an IPv6 address could be taken for a part of it. */
	bool brackets = !ipv4 && (rule->port_count || !rule->tcp || !rule->udp);

	append(writer, "%s%s", brackets ? "[" : "", cothon_addr_format(&rule->addr, addr));
	if (rule->bits < (ipv4 ? 32 : 128))
		append(writer, "/%u", rule->bits);
	append(writer, "%s", brackets ? "]" : "");
}

char *cothon_rule_format(const struct cothon_rule *rule, char text[static COTHON_RULE_TEXT])
{
	struct writer writer = {.text = text};

	switch (rule->kind) {
	case COTHON_RULE_PREFIX:
		append_prefix(&writer, rule);
		break;
	case COTHON_RULE_NAME:
		/* With the dot of the root the word is a name. */
		append(&writer, "%s%s", rule->name, strcmp(rule->name, "any") == 0 ? "." : "");
		break;
	case COTHON_RULE_BELOW:
		append(&writer, "*.%s", rule->name);
		break;
	default:
		append(&writer, "any");
		break;
	}
	for (unsigned i = 0; i < rule->port_count; i++) {
		const struct cothon_port_range *range = &rule->ports[i];

		append(&writer, "%c%u", i ? ',' : ':', range->first);
		if (range->last > range->first)
			append(&writer, "-%u", range->last);
	}
	if (rule->tcp != rule->udp)
		append(&writer, rule->tcp ? "/tcp" : "/udp");
	return text;
}

/* Comparing. */

static bool same_destination(const struct cothon_rule *a, const struct cothon_rule *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case COTHON_RULE_PREFIX:
		return a->bits == b->bits && cothon_addr_in_prefix(&a->addr, &b->addr, b->bits);
	case COTHON_RULE_NAME:
	case COTHON_RULE_BELOW:
		return strcmp(a->name, b->name) == 0;
	default:
		return true;
	}
}

bool cothon_rule_equal(const struct cothon_rule *a, const struct cothon_rule *b)
{
	if (a->allow != b->allow || a->tcp != b->tcp || a->udp != b->udp || a->echo != b->echo ||
	    a->port_count != b->port_count || !same_destination(a, b))
		return false;
	for (unsigned i = 0; i < a->port_count; i++) {
		if (a->ports[i].first != b->ports[i].first || a->ports[i].last != b->ports[i].last)
			return false;
	}
	return true;
}
