/* SPDX-License-Identifier: MIT */
#include "control/openmetrics.h"

#include "control/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FIRST_ROOM = 16 << 10
};

static void put(struct control_openmetrics *metrics, const char *text, size_t len)
{
	if (metrics->failed)
		return;
	if (metrics->room - metrics->len < len) {
		size_t room = metrics->room ? metrics->room : FIRST_ROOM;
		char *larger;

		while (room - metrics->len < len)
			room *= 2;
		larger = realloc(metrics->text, room);
		if (!larger) {
			metrics->failed = true;
			return;
		}
		metrics->text = larger;
		metrics->room = room;
	}
	memcpy(metrics->text + metrics->len, text, len);
	metrics->len += len;
}

__attribute__((format(printf, 2, 3))) static void print(struct control_openmetrics *metrics,
							const char *format, ...)
{
	char text[512];
	va_list arguments;
	int len;

	va_start(arguments, format);
	len = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (len > 0)
		put(metrics, text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
}

void control_openmetrics_family(struct control_openmetrics *metrics, const char *name,
				const char *type, const char *unit, const char *help)
{
	metrics->family = name;
	print(metrics, "# TYPE %s %s\n", name, type);
	if (unit)
		print(metrics, "# UNIT %s %s\n", name, unit);
	print(metrics, "# HELP %s %s\n", name, help);
}

void control_openmetrics_sample(struct control_openmetrics *metrics, const char *suffix)
{
	metrics->labels = 0;
	print(metrics, "%s%s", metrics->family, suffix);
}

static void begin_label(struct control_openmetrics *metrics, const char *name)
{
	print(metrics, "%s%s=\"", metrics->labels++ ? "," : "{", name);
}

/* Backslash, quotation mark and newline are written with a backslash in front. */
static void put_escaped(struct control_openmetrics *metrics, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			print(metrics, "\\%c", *text);
		else if (*text == '\n')
			put(metrics, "\\n", 2);
		else
			put(metrics, text, 1);
	}
}

void control_openmetrics_label(struct control_openmetrics *metrics, const char *name,
			       const char *value)
{
	/* It knows what is UTF-8, and mends what is not. */
	json_t *mended = control_json_text(value);

	begin_label(metrics, name);
	put_escaped(metrics, mended ? json_string_value(mended) : "");
	put(metrics, "\"", 1);
	metrics->failed |= !mended;
	json_decref(mended);
}

void control_openmetrics_label_number(struct control_openmetrics *metrics, const char *name,
				      double value)
{
	char text[32];

	/* A number that looks whole is written as one that is not ("1.0"), always the same. */
	snprintf(text, sizeof(text), "%.9g", value);
	begin_label(metrics, name);
	print(metrics, "%s%s\"", text, strpbrk(text, ".e") ? "" : ".0");
}

static void end_labels(struct control_openmetrics *metrics)
{
	put(metrics, metrics->labels ? "} " : " ", metrics->labels ? 2 : 1);
}

void control_openmetrics_count(struct control_openmetrics *metrics, uint64_t value)
{
	end_labels(metrics);
	print(metrics, "%llu\n", (unsigned long long)value);
}

void control_openmetrics_value(struct control_openmetrics *metrics, double value)
{
	end_labels(metrics);
	print(metrics, "%.15g\n", value);
}

void control_openmetrics_one(struct control_openmetrics *metrics, const char *suffix,
			     uint64_t value)
{
	control_openmetrics_sample(metrics, suffix);
	control_openmetrics_count(metrics, value);
}

void control_openmetrics_labelled(struct control_openmetrics *metrics, const char *suffix,
				  const char *label, const char *text, uint64_t value)
{
	control_openmetrics_sample(metrics, suffix);
	control_openmetrics_label(metrics, label, text);
	control_openmetrics_count(metrics, value);
}

void control_openmetrics_end(struct control_openmetrics *metrics)
{
	static const char last[] = "# EOF\n";

	put(metrics, last, sizeof(last) - 1);
}
