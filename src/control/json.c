/* SPDX-License-Identifier: MIT */
#include "control/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* U+FFFD */
static const char replacement[] = {'\xef', '\xbf', '\xbd'};

/* How many bytes the character at `text` has, if it is one in UTF-8 (jansson says so); else 0. */
static size_t character(const char *text, size_t left)
{
	for (size_t len = 1; len <= 4 && len <= left; len++) {
		json_t *value = json_stringn(text, len);

		if (value) {
			json_decref(value);
			return len;
		}
	}
	return 0;
}

json_t *control_json_text(const char *text)
{
	size_t len = strlen(text), made_len = 0;
	json_t *value = json_stringn(text, len);
	char *made;

	if (value)
		return value;
	made = malloc(len * sizeof(replacement) + 1);
	if (!made)
		return NULL;
	for (size_t at = 0; at < len;) {
		size_t step = character(text + at, len - at);

		memcpy(made + made_len, step ? text + at : replacement,
		       step ? step : sizeof(replacement));
		made_len += step ? step : sizeof(replacement);
		at += step ? step : 1;
	}
	value = json_stringn(made, made_len);
	free(made);
	return value;
}

json_t *control_json_addr(const struct cothon_addr *addr)
{
	char text[COTHON_ADDR_TEXT];

	return json_string(cothon_addr_format(addr, text));
}

json_t *control_json_endpoint(const struct cothon_endpoint *endpoint)
{
	if (endpoint->port == 0 && cothon_addr_is_any(&endpoint->addr))
		return json_null();
	return json_pack("{so, si}", "address", control_json_addr(&endpoint->addr), "port",
			 (int)endpoint->port);
}

json_t *control_json_time(uint64_t microseconds)
{
	time_t seconds = (time_t)(microseconds / 1000000);
	char date[32], text[48];
	struct tm utc;

	gmtime_r(&seconds, &utc);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text, sizeof(text), "%s.%06uZ", date, (unsigned)(microseconds % 1000000));
	return json_string(text);
}
