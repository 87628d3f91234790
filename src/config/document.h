/* SPDX-License-Identifier: MIT */
#ifndef CONFIG_DOCUMENT_H
#define CONFIG_DOCUMENT_H

/*
 * A text in YAML, read by a schema: which keys a mapping may have, and what takes the value of each.
 * Every error has its line and column. A value that is read twice by way of an alias is not copied, so
 * a text cannot grow by being read.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CONFIG_TEXT_MAX = 1 << 20, /* bytes of a text */
	CONFIG_KEYS_MAX = 64,      /* keys that a mapping may have by its schema */
	CONFIG_MEMBERS_MAX = 1024, /* of a mapping with keys of the user's choice, and of a list */
};

/* The first thing that is wrong. Lines and columns count from 1; 0: it is about the text as a whole. */
struct config_error {
	unsigned line, column;
	char text[512];
};

struct config_document;
struct config_node;

/* What takes a value into `target`. Returns 0, or -EINVAL by config_fail(). */
typedef int config_take(struct config_document *document, const struct config_node *value,
			void *target);

struct config_key {
	const char *name;
	config_take *take;
};

/*
 * Reads a text. `nearest` finds the one of `names` (ends with NULL) that is most like what was typed, or
 * NULL. Returns 0, and *document is the caller's, to be freed; -EINVAL with *error filled in; or -ENOMEM.
 * `error` stays in use as long as the document.
 */
int config_document_read(const char *text, size_t len,
			 const char *(*nearest)(const char *typed, const char *const *names),
			 struct config_error *error, struct config_document **document);
void config_document_free(struct config_document *document);
/* Its outermost value. */
const struct config_node *config_document_root(const struct config_document *document);

/* Notes what is wrong with a value, and where it is; of control characters it makes '?'. Returns -EINVAL. */
__attribute__((format(printf, 3, 4))) int config_fail(struct config_document *document,
						      const struct config_node *node,
						      const char *format, ...);
/* As config_fail(); names the one of `names` that is nearest to what was typed, or else all of them. */
int config_fail_unknown(struct config_document *document, const struct config_node *node,
			const char *what, const char *typed, const char *const *names);

bool config_is_mapping(const struct config_node *node);
bool config_is_list(const struct config_node *node);
/*
 * Reads a mapping: each key is one of `keys` (ends with a NULL name), none comes twice, and its value
 * goes to the key's `take`, in the order of the text. Returns 0 or -EINVAL.
 */
int config_mapping(struct config_document *document, const struct config_node *node,
		   const struct config_key *keys, void *target);
/*
 * Reads a mapping whose keys are the user's choice: calls `each` with every key, none of which comes
 * twice, and its value. Returns 0 or -EINVAL.
 */
int config_members(struct config_document *document, const struct config_node *node,
		   int (*each)(struct config_document *document, const struct config_node *key,
			       const struct config_node *value, void *target),
		   void *target);
/* Reads a list, or a single value that stands for a list of one. Returns 0 or -EINVAL. */
int config_list(struct config_document *document, const struct config_node *node, config_take *each,
		void *target);

/* The text of a value that is one and not empty; NULL by config_fail(). The document's. */
const char *config_text(struct config_document *document, const struct config_node *node);
/* The same of one that may be empty. */
const char *config_text_or_empty(struct config_document *document, const struct config_node *node);
/* An integer. Returns 0 or -EINVAL. */
int config_integer(struct config_document *document, const struct config_node *node, unsigned least,
		   unsigned most, unsigned *value);
/* true or false. Returns 0 or -EINVAL. */
int config_bool(struct config_document *document, const struct config_node *node, bool *value);
/* Reads a time, as "500ms", "10s", "5m" or "1h", into microseconds. Returns 0, -EINVAL or -ERANGE. */
int config_parse_duration(const char *text, uint64_t least, uint64_t most, uint64_t *value);
/* The same of a value. Returns 0 or -EINVAL. */
int config_duration(struct config_document *document, const struct config_node *node,
		    uint64_t least, uint64_t most, uint64_t *value);

#endif
