/* SPDX-License-Identifier: MIT */
#include "port/name.h"

#include <errno.h>

enum {
	LABEL_MAX = 63 /* characters of a label (RFC 1035 section 2.3.4) */
};

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool in_label(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Looks at the label in front of `end`, a dot or the end of the name. */
static const char *read_label(const char *label, const char *end)
{
	if (label == end)
		return "there is nothing between two of its dots";
	if (end - label > LABEL_MAX)
		return "between its dots are at most 63 characters";
	if (*label == '-' || end[-1] == '-')
		return "what is between its dots neither begins nor ends with a hyphen";
	return NULL;
}

const char *cothon_name_read(const char *name, size_t len, char normal[static COTHON_NAME_MAX + 1])
{
	const char *fault = NULL;
	size_t label = 0;

	/* The last dot stands for the root. */
	if (len > 0 && name[len - 1] == '.')
		len--;
	if (len == 0)
		return "there is nothing in it";
	if (len > COTHON_NAME_MAX)
		return "it has more than 253 characters";
	for (size_t i = 0; i < len && !fault; i++) {
		normal[i] = lower(name[i]);
		if (normal[i] == '.') {
			fault = read_label(normal + label, normal + i);
			label = i + 1;
		} else if (!in_label(normal[i])) {
			return "it has other characters than letters, digits, hyphens and dots";
		}
	}
	normal[len] = '\0';
	return fault ? fault : read_label(normal + label, normal + len);
}

int cothon_name_normalize(const char *name, size_t len, char normal[static COTHON_NAME_MAX + 1])
{
	return cothon_name_read(name, len, normal) ? -EINVAL : 0;
}
