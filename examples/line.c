/* SPDX-License-Identifier: MIT */
#include "line.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Checks a line that has arrived whole, and takes the end of line off it. */
static int finish(struct line *line)
{
	line->whole = true;
	if (memchr(line->text, '\0', line->len))
		return -EBADMSG;
	line->len--;
	if (line->len > 0 && line->text[line->len - 1] == '\r')
		line->len--;
	line->text[line->len] = '\0';
	return 1;
}

int line_read(struct line *line, struct cothon_tcp *tcp)
{
	struct iovec piece;

	if (line->whole)
		line->len = 0;
	line->whole = false;
	while (cothon_tcp_peek(tcp, &piece, 1) > 0) {
		const uint8_t *feed = memchr(piece.iov_base, '\n', piece.iov_len);
		size_t len = feed ? (size_t)(feed + 1 - (const uint8_t *)piece.iov_base)
				  : piece.iov_len;

		if (len > sizeof(line->text) - line->len)
			return -EMSGSIZE;
		memcpy(line->text + line->len, piece.iov_base, len);
		line->len += len;
		cothon_tcp_consume(tcp, len);
		if (feed)
			return finish(line);
	}
	return cothon_tcp_at_end(tcp) ? -EPIPE : 0;
}

int line_write(struct cothon_tcp *tcp, const char *format, ...)
{
	char text[LINE_SIZE];
	va_list arguments;
	ptrdiff_t written;
	int len;

	va_start(arguments, format);
	len = vsnprintf(text, sizeof(text) - 2, format, arguments);
	va_end(arguments);
	if (len < 0 || len >= (int)sizeof(text) - 2)
		return -EMSGSIZE;
	text[len] = '\r';
	text[len + 1] = '\n';
	written = cothon_tcp_write(tcp, text, (size_t)len + 2);
	if (written < 0)
		return (int)written;
	return written == len + 2 ? 0 : -EAGAIN;
}
