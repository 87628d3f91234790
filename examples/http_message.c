/* SPDX-License-Identifier: MIT */
#include "http_message.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#define SPACE " \t"
/* RFC 9110 section 5.6.2: what a method or the name of a field is made of. */
#define TOKEN                        \
	"!#$%&'*+-.^_`|~0123456789"  \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ" \
	"abcdefghijklmnopqrstuvwxyz"

/* "HTTP/1.x": puts down x. A higher minor version is understood as well (RFC 9110 section 2.5). */
static bool read_version(struct http_head *head, const char *text)
{
	if (strncmp(text, "HTTP/1.", 7) != 0 || !isdigit((unsigned char)text[7]) || text[8])
		return false;
	head->minor = (unsigned)(text[7] - '0');
	/* HTTP/1.0 ends the connection after each message. */
	head->last = head->minor == 0;
	return true;
}

static bool read_length(struct http_head *head, const char *text)
{
	uint64_t length = 0;

	if (!*text || text[strspn(text, "0123456789")] || strlen(text) > 18)
		return false;
	for (; *text; text++)
		length = length * 10 + (uint64_t)(*text - '0');
	/* RFC 9112 section 6.3: lengths that contradict each other make a message invalid. */
	if (head->has_length && head->length != length)
		return false;
	head->has_length = true;
	head->length = length;
	return true;
}

/* True when `option` is one of the words, separated by commas, of a field. */
static bool has_option(const char *text, const char *option)
{
	for (; *text; text += strcspn(text, ","), text += *text == ',') {
		text += strspn(text, SPACE);
		size_t len = strcspn(text, "," SPACE);

		if (len == strlen(option) && strncasecmp(text, option, len) == 0)
			return true;
	}
	return false;
}

/* "Name: value" */
static bool read_field(struct http_head *head, char *line)
{
	size_t name_len = strspn(line, TOKEN);
	char *value = line + name_len + 1;
	size_t len;

	/* RFC 9112 section 5.1: no space may be in front of the colon, where requests are smuggled through. */
	if (name_len == 0 || line[name_len] != ':')
		return false;
	line[name_len] = '\0';
	value += strspn(value, SPACE);
	for (len = strlen(value); len > 0 && strchr(SPACE, value[len - 1]); len--)
		;
	value[len] = '\0';
	if (strcasecmp(line, "Content-Length") == 0)
		return read_length(head, value);
	if (strcasecmp(line, "Transfer-Encoding") == 0)
		head->coded = true;
	if (strcasecmp(line, "Connection") == 0 && has_option(value, "close"))
		head->last = true;
	if (strcasecmp(line, "Host") == 0) {
		/* RFC 9112 section 3.2: there is one of them. */
		if (head->host)
			return false;
		head->host = true;
	}
	return true;
}

/* "GET /target HTTP/1.1" */
static unsigned read_request(struct http_head *head, char *line)
{
	size_t method_len = strspn(line, TOKEN);
	char *target = line + method_len + 1, *version;

	if (method_len == 0 || line[method_len] != ' ')
		return 400;
	version = strchr(target, ' ');
	if (!version || *target != '/')
		return 400;
	*version++ = '\0';
	if (!read_version(head, version))
		return strncmp(version, "HTTP/", 5) == 0 ? 505 : 400;
	if (strlen(target) >= sizeof(head->target))
		return 414;
	memcpy(head->target, target, strlen(target) + 1);
	line[method_len] = '\0';
	head->get = strcmp(line, "GET") == 0;
	head->head = strcmp(line, "HEAD") == 0;
	return 0;
}

static unsigned judge(const struct http_head *head)
{
	if (head->minor > 0 && !head->host)
		return 400;
	if (head->coded || (!head->get && !head->head))
		return 501;
	return head->length > 0 ? 413 : 200;
}

unsigned http_request_line(struct http_head *head, char *line)
{
	/* RFC 9112 section 2.2: an empty line in front of a request is passed over. */
	if (head->lines == 0 && !*line)
		return 0;
	if (++head->lines > HTTP_MAX_LINES)
		return 431;
	if (head->lines == 1)
		return read_request(head, line);
	if (!*line)
		return judge(head);
	return read_field(head, line) ? 0 : 400;
}

/* "HTTP/1.1 200 OK" */
static bool read_status(struct http_head *head, char *line)
{
	char *status = strchr(line, ' ');

	if (!status)
		return false;
	*status++ = '\0';
	if (strspn(status, "0123456789") != 3 || (status[3] && status[3] != ' '))
		return false;
	head->status =
		(unsigned)((status[0] - '0') * 100 + (status[1] - '0') * 10 + status[2] - '0');
	return head->status >= 100 && read_version(head, line);
}

int http_response_line(struct http_head *head, char *line)
{
	if (++head->lines > HTTP_MAX_LINES)
		return -EBADMSG;
	if (head->lines == 1)
		return read_status(head, line) ? 0 : -EBADMSG;
	if (!*line)
		return 1;
	return read_field(head, line) ? 0 : -EBADMSG;
}

const char *http_reason(unsigned status)
{
	static const struct {
		unsigned status;
		const char *reason;
	} reasons[] = {
		{200, "OK"},
		{400, "Bad Request"},
		{404, "Not Found"},
		{413, "Content Too Large"},
		{414, "URI Too Long"},
		{431, "Request Header Fields Too Large"},
		{501, "Not Implemented"},
		{505, "HTTP Version Not Supported"},
	};

	for (unsigned i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
		if (reasons[i].status == status)
			return reasons[i].reason;
	}
	return "";
}
