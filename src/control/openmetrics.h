/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_OPENMETRICS_H
#define CONTROL_OPENMETRICS_H

/* Text of the OpenMetrics format, version 1.0.0, in the making. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTROL_OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

struct control_openmetrics {
	char *text; /* the caller's, to be freed; NULL at first */
	size_t len, room;
	bool failed;        /* there was no memory */
	const char *family; /* whose samples follow */
	unsigned labels;    /* of the sample that is being written */
};

/* Begins a family; `unit` is NULL where the name ends with none. `name` stays until the next one. */
void control_openmetrics_family(struct control_openmetrics *metrics, const char *name,
				const char *type, const char *unit, const char *help);
/* Begins a sample of the family, whose name has the suffix ("" or "_total"); then its labels. */
void control_openmetrics_sample(struct control_openmetrics *metrics, const char *suffix);
/* A label; `value` may be any bytes: what is no UTF-8 becomes U+FFFD. */
void control_openmetrics_label(struct control_openmetrics *metrics, const char *name,
			       const char *value);
void control_openmetrics_label_number(struct control_openmetrics *metrics, const char *name,
				      double value);
/* Each ends the sample. */
void control_openmetrics_count(struct control_openmetrics *metrics, uint64_t value);
void control_openmetrics_value(struct control_openmetrics *metrics, double value);
/* A sample without labels, or with one. */
void control_openmetrics_one(struct control_openmetrics *metrics, const char *suffix,
			     uint64_t value);
void control_openmetrics_labelled(struct control_openmetrics *metrics, const char *suffix,
				  const char *label, const char *text, uint64_t value);
/* The end of all. */
void control_openmetrics_end(struct control_openmetrics *metrics);

#endif
