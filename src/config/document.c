/* SPDX-License-Identifier: MIT */
#include "config/document.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct config_document {
	yaml_document_t yaml;
	const char *(*nearest)(const char *typed, const char *const *names);
	struct config_error *error;
};

/* A value is what the library has made of it. */
static const yaml_node_t *yaml_of(const struct config_node *node)
{
	return (const yaml_node_t *)node;
}

static const struct config_node *node_of(struct config_document *document, int index)
{
	return (const struct config_node *)yaml_document_get_node(&document->yaml, index);
}

/* --- errors --- */

static void set_place(struct config_error *error, const yaml_mark_t *mark)
{
	error->line = (unsigned)mark->line + 1;
	error->column = (unsigned)mark->column + 1;
}

/* A terminal is told nothing that it would take for a command, whatever was quoted from the file. */
static void make_plain(char *text)
{
	for (; *text; text++) {
		if (iscntrl((unsigned char)*text))
			*text = '?';
	}
}

int config_fail(struct config_document *document, const struct config_node *node,
		const char *format, ...)
{
	va_list arguments;

	set_place(document->error, &yaml_of(node)->start_mark);
	va_start(arguments, format);
	vsnprintf(document->error->text, sizeof(document->error->text), format, arguments);
	va_end(arguments);
	make_plain(document->error->text);
	return -EINVAL;
}

/* What is wrong with the text itself, as the library says it. */
static int fail_parse(const yaml_parser_t *parser, struct config_error *error)
{
	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (parser->error == YAML_READER_ERROR) {
		/* Only where in bytes is known. */
		snprintf(error->text, sizeof(error->text),
			 "this is no text in UTF-8 (byte %zu): %s", parser->problem_offset,
			 parser->problem);
		return -EINVAL;
	}
	set_place(error, &parser->problem_mark);
	snprintf(error->text, sizeof(error->text), "this is no YAML: %s%s%s", parser->problem,
		 parser->context ? " " : "", parser->context ? parser->context : "");
	return -EINVAL;
}

/* Writes "a, b, c" into text[room]. */
static void list_names(const char *const *names, char *text, size_t room)
{
	size_t len = 0;

	text[0] = '\0';
	for (; *names && len < room; names++)
		len += (size_t)snprintf(text + len, room - len, "%s%s", len ? ", " : "", *names);
	if (len >= room)
		memcpy(text + room - 4, "...", 4);
}

int config_fail_unknown(struct config_document *document, const struct config_node *node,
			const char *what, const char *typed, const char *const *names)
{
	const char *nearest = document->nearest(typed, names);
	char all[384];

	if (nearest)
		return config_fail(document, node, "there is no %s \"%.64s\"; did you mean %s?",
				   what, typed, nearest);
	list_names(names, all, sizeof(all));
	return config_fail(document, node, "there is no %s \"%.64s\"; there are: %s", what, typed,
			   all);
}

/* --- the text --- */

static int load(yaml_parser_t *parser, yaml_document_t *document, struct config_error *error)
{
	if (yaml_parser_load(parser, document))
		return 0;
	return fail_parse(parser, error);
}

/* Makes sure that nothing follows. */
static int load_end(yaml_parser_t *parser, struct config_error *error)
{
	yaml_document_t next;
	const yaml_node_t *root;
	int result = load(parser, &next, error);

	if (result)
		return result;
	root = yaml_document_get_root_node(&next);
	if (root) {
		set_place(error, &root->start_mark);
		snprintf(error->text, sizeof(error->text),
			 "a second document begins here; a file has one, without \"---\" inside");
		result = -EINVAL;
	}
	yaml_document_delete(&next);
	return result;
}

static int load_all(yaml_parser_t *parser, struct config_document *document)
{
	struct config_error *error = document->error;
	int result = load(parser, &document->yaml, error);

	if (result)
		return result;
	if (!yaml_document_get_root_node(&document->yaml)) {
		snprintf(error->text, sizeof(error->text), "there is nothing in it");
		result = -EINVAL;
	} else {
		result = load_end(parser, error);
	}
	if (result)
		yaml_document_delete(&document->yaml);
	return result;
}

int config_document_read(const char *text, size_t len,
			 const char *(*nearest)(const char *typed, const char *const *names),
			 struct config_error *error, struct config_document **document)
{
	struct config_document *made;
	yaml_parser_t parser;
	int result;

	*error = (struct config_error){0};
	if (len > CONFIG_TEXT_MAX) {
		snprintf(error->text, sizeof(error->text), "it is larger than %d bytes",
			 CONFIG_TEXT_MAX);
		return -EINVAL;
	}
	made = calloc(1, sizeof(*made));
	if (!made || !yaml_parser_initialize(&parser)) {
		free(made);
		return -ENOMEM;
	}
	made->nearest = nearest;
	made->error = error;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	result = load_all(&parser, made);
	yaml_parser_delete(&parser);
	if (result)
		free(made);
	else
		*document = made;
	return result;
}

void config_document_free(struct config_document *document)
{
	yaml_document_delete(&document->yaml);
	free(document);
}

const struct config_node *config_document_root(const struct config_document *document)
{
	/* It is not changed by being looked at. */
	yaml_document_t *yaml = (yaml_document_t *)(uintptr_t)&document->yaml;

	return (const struct config_node *)yaml_document_get_root_node(yaml);
}

/* --- mappings and lists --- */

bool config_is_mapping(const struct config_node *node)
{
	return yaml_of(node)->type == YAML_MAPPING_NODE;
}

bool config_is_list(const struct config_node *node)
{
	return yaml_of(node)->type == YAML_SEQUENCE_NODE;
}

static const char *kind_of(const struct config_node *node)
{
	if (config_is_mapping(node))
		return "a mapping";
	return config_is_list(node) ? "a list" : "a single value";
}

/* A key that an earlier pair of the same mapping has is an error. */
static int check_new(struct config_document *document, const yaml_node_t *mapping,
		     const yaml_node_pair_t *pair, const char *name)
{
	const yaml_node_pair_t *earlier = mapping->data.mapping.pairs.start;

	for (; earlier < pair; earlier++) {
		const struct config_node *key = node_of(document, earlier->key);

		if (strcmp((const char *)yaml_of(key)->data.scalar.value, name) == 0)
			return config_fail(
				document, node_of(document, pair->key),
				"\"%.64s\" is here a second time; the first is in line %zu", name,
				yaml_of(key)->start_mark.line + 1);
	}
	return 0;
}

int config_members(struct config_document *document, const struct config_node *node,
		   int (*each)(struct config_document *document, const struct config_node *key,
			       const struct config_node *value, void *target),
		   void *target)
{
	const yaml_node_t *mapping = yaml_of(node);
	const yaml_node_pair_t *pair;

	if (!config_is_mapping(node))
		return config_fail(document, node,
				   "this is %s where KEY: VALUE is needed, a line for each",
				   kind_of(node));
	pair = mapping->data.mapping.pairs.start;
	if (mapping->data.mapping.pairs.top - pair > CONFIG_MEMBERS_MAX)
		return config_fail(document, node, "there are more than %d in it",
				   CONFIG_MEMBERS_MAX);
	for (; pair < mapping->data.mapping.pairs.top; pair++) {
		const struct config_node *key = node_of(document, pair->key);
		const char *name = config_text(document, key);
		int result = name ? check_new(document, mapping, pair, name) : -EINVAL;

		if (result == 0)
			result = each(document, key, node_of(document, pair->value), target);
		if (result)
			return result;
	}
	return 0;
}

struct taking {
	const struct config_key *keys;
	void *target;
};

static int take_key(struct config_document *document, const struct config_node *key,
		    const struct config_node *value, void *target)
{
	const struct taking *taking = target;
	const char *name = config_text(document, key);
	const char *names[CONFIG_KEYS_MAX + 1];
	size_t count = 0;

	for (const struct config_key *known = taking->keys; known->name; known++) {
		if (strcmp(known->name, name) == 0)
			return known->take(document, value, taking->target);
		if (count < CONFIG_KEYS_MAX)
			names[count++] = known->name;
	}
	names[count] = NULL;
	return config_fail_unknown(document, key, "key", name, names);
}

int config_mapping(struct config_document *document, const struct config_node *node,
		   const struct config_key *keys, void *target)
{
	struct taking taking = {keys, target};

	return config_members(document, node, take_key, &taking);
}

int config_list(struct config_document *document, const struct config_node *node, config_take *each,
		void *target)
{
	const yaml_node_t *list = yaml_of(node);
	const yaml_node_item_t *item;
	int result = 0;

	if (config_is_mapping(node))
		return config_fail(document, node, "this is a mapping where a list is needed");
	if (!config_is_list(node))
		return each(document, node, target);
	item = list->data.sequence.items.start;
	if (list->data.sequence.items.top - item > CONFIG_MEMBERS_MAX)
		return config_fail(document, node, "there are more than %d in it",
				   CONFIG_MEMBERS_MAX);
	for (; result == 0 && item < list->data.sequence.items.top; item++)
		result = each(document, node_of(document, *item), target);
	return result;
}

/* --- single values --- */

const char *config_text_or_empty(struct config_document *document, const struct config_node *node)
{
	const yaml_node_t *scalar = yaml_of(node);
	const char *text;

	if (scalar->type != YAML_SCALAR_NODE) {
		config_fail(document, node, "this is %s where a single value is needed",
			    kind_of(node));
		return NULL;
	}
	text = (const char *)scalar->data.scalar.value;
	if (strlen(text) != scalar->data.scalar.length) {
		config_fail(document, node, "there is a zero byte in it");
		return NULL;
	}
	return text;
}

const char *config_text(struct config_document *document, const struct config_node *node)
{
	const char *text = config_text_or_empty(document, node);

	if (!text || *text)
		return text;
	config_fail(document, node, "there is nothing here; write a value, or leave the key out");
	return NULL;
}

int config_integer(struct config_document *document, const struct config_node *node, unsigned least,
		   unsigned most, unsigned *value)
{
	const char *text = config_text(document, node);
	unsigned long number;
	char *end;

	if (!text)
		return -EINVAL;
	number = strtoul(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || *end || number < least || number > most)
		return config_fail(document, node, "this is no number from %u to %u", least, most);
	*value = (unsigned)number;
	return 0;
}

int config_bool(struct config_document *document, const struct config_node *node, bool *value)
{
	const char *text = config_text(document, node);

	if (!text)
		return -EINVAL;
	*value = strcmp(text, "true") == 0;
	if (!*value && strcmp(text, "false") != 0)
		return config_fail(document, node, "\"%.64s\" is neither true nor false", text);
	return 0;
}

int config_parse_duration(const char *text, uint64_t least, uint64_t most, uint64_t *value)
{
	static const struct {
		const char *name;
		uint64_t microseconds;
	} units[] = {{"ms", 1000}, {"s", 1000000}, {"m", 60000000}, {"h", 3600000000}};
	uint64_t number;
	char *end;

	/* More digits than these are beyond every bound. */
	if (!isdigit((unsigned char)text[0]) || strspn(text, "0123456789") > 9)
		return -EINVAL;
	number = strtoumax(text, &end, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strcmp(end, units[i].name) != 0)
			continue;
		*value = number * units[i].microseconds;
		return *value < least || *value > most ? -ERANGE : 0;
	}
	return -EINVAL;
}

/* Writes microseconds in the largest unit that is whole. */
static const char *write_duration(uint64_t value, char text[static 32])
{
	static const struct {
		const char *name;
		uint64_t microseconds;
	} units[] = {{"h", 3600000000}, {"m", 60000000}, {"s", 1000000}};

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (value && value % units[i].microseconds == 0) {
			snprintf(text, 32, "%" PRIu64 "%s", value / units[i].microseconds,
				 units[i].name);
			return text;
		}
	}
	snprintf(text, 32, "%" PRIu64 "ms", value / 1000);
	return text;
}

int config_duration(struct config_document *document, const struct config_node *node,
		    uint64_t least, uint64_t most, uint64_t *value)
{
	const char *text = config_text(document, node);
	char from[32], to[32];
	int result;

	if (!text)
		return -EINVAL;
	result = config_parse_duration(text, least, most, value);
	if (result == -EINVAL)
		return config_fail(
			document, node,
			"\"%.64s\" is no time; write a number with its unit: 500ms, 10s, "
			"5m or 1h",
			text);
	if (result)
		return config_fail(document, node, "%.64s is not within %s and %s", text,
				   write_duration(least, from), write_duration(most, to));
	return 0;
}
