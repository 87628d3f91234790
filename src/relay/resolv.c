/* SPDX-License-Identifier: MIT */
#include "relay/resolv.h"

#include "relay/question.h"
#include <fcntl.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	/* More of the file is not read. */
	TEXT_MAX = 64 << 10,
	/*
	 * A file that changed so few seconds before it was read might change again without a new
	 * time stamp, whose grain is the kernel's tick or worse: it is read once more.
	 */
	GRAIN = 2,
};

static const char keyword[] = "nameserver";

/* Text */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/*
 * "fe80::1%eth0": cuts the scope off and returns the interface's index, or 0 for one that does not
 * exist.
 */
static uint32_t cut_scope(char *text)
{
	char *scope = strchr(text, '%');
	unsigned index;

	if (!scope)
		return 0;
	*scope++ = '\0';
	index = if_nametoindex(scope);
	return index ? index : (uint32_t)strtoul(scope, NULL, 10);
}

/* Reads one line; returns false when it names no resolver. */
static bool parse_line(const char *line, size_t len, struct relay_resolver *resolver)
{
	char text[COTHON_ADDR_TEXT + IF_NAMESIZE];
	size_t at = sizeof(keyword) - 1, end;

	if (len <= at || memcmp(line, keyword, at) != 0 || !is_blank(line[at]))
		return false;
	while (at < len && is_blank(line[at]))
		at++;
	/* Whatever follows the address is ignored. */
	for (end = at; end < len && !is_blank(line[end]) && line[end] != '\r'; end++)
		;
	if (end - at >= sizeof(text))
		return false;
	memcpy(text, line + at, end - at);
	text[end - at] = '\0';
	resolver->scope = cut_scope(text);
	resolver->endpoint.port = RELAY_DNS_PORT;
	return cothon_addr_parse(text, &resolver->endpoint.addr) == 0;
}

unsigned relay_resolv_parse(const char *text, size_t len,
			    struct relay_resolver list[static RELAY_RESOLVERS_MAX])
{
	const uint8_t this_machine[4] = {127, 0, 0, 1};
	unsigned count = 0;

	for (size_t at = 0; at < len && count < RELAY_RESOLVERS_MAX;) {
		const char *newline = memchr(text + at, '\n', len - at);
		size_t end = newline ? (size_t)(newline - text) : len;

		if (parse_line(text + at, end - at, &list[count]))
			count++;
		at = end + 1;
	}
	if (count > 0)
		return count;
	list[0] = (struct relay_resolver){
		.endpoint = {cothon_addr_ipv4(this_machine), RELAY_DNS_PORT},
	};
	return 1;
}

/* The file */

void relay_resolvers_fix(struct relay_resolvers *resolvers, const struct cothon_endpoint *endpoints,
			 unsigned count)
{
	*resolvers = (struct relay_resolvers){0};
	for (unsigned i = 0; i < count && i < RELAY_RESOLVERS_MAX; i++)
		resolvers->list[resolvers->count++].endpoint = endpoints[i];
}

void relay_resolvers_follow(struct relay_resolvers *resolvers, const char *path,
			    const struct host_steward *steward)
{
	*resolvers = (struct relay_resolvers){.path = path, .steward = steward};
	relay_resolvers_refresh(resolvers);
}

/* Symbolic links are followed, so a link that is turned elsewhere is another file. */
static int open_file(const struct relay_resolvers *resolvers)
{
	if (resolvers->steward)
		return host_steward_open(resolvers->steward);
	return open(resolvers->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Reads up to `size` bytes of a file of which `status` is known; returns how many. */
static size_t read_file(int fd, const struct stat *status, char *text, size_t size)
{
	size_t len = 0;
	ssize_t got;

	/* Only a regular file is read: anything else could keep us waiting. */
	if (!S_ISREG(status->st_mode))
		return 0;
	while (len < size && (got = read(fd, text + len, size - len)) > 0)
		len += (size_t)got;
	return len;
}

static void read_resolvers(struct relay_resolvers *resolvers, int fd, const struct stat *status)
{
	char *text = malloc(TEXT_MAX);
	struct timespec now;

	if (!text)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	resolvers->count =
		relay_resolv_parse(text, read_file(fd, status, text, TEXT_MAX), resolvers->list);
	resolvers->read = *status;
	resolvers->settled = now.tv_sec - status->st_ctim.tv_sec > GRAIN;
	free(text);
}

void relay_resolvers_refresh(struct relay_resolvers *resolvers)
{
	struct stat status = {0};
	int fd;

	if (!resolvers->path)
		return;
	fd = open_file(resolvers);
	if (fd < 0 || fstat(fd, &status) < 0)
		memset(&status, 0, sizeof(status));
	if (resolvers->count == 0 || !resolvers->settled || !same_file(&status, &resolvers->read))
		read_resolvers(resolvers, fd, &status);
	if (fd >= 0)
		close(fd);
}
