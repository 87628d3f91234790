/* SPDX-License-Identifier: MIT */

/* What a file says of sockets that a command is given: `listen_fds` and `inetd`. */

#include "cli/listen.h"
#include "cli/up_member.h"

#include <errno.h>

static int take_socket(struct config_document *document, const struct config_node *value,
		       void *target)
{
	struct cli_up_member *member = target;
	const char *text = config_text(document, value);
	struct cli_error error;

	if (!text)
		return -EINVAL;
	if (member->listening.count == SANDBOX_LISTEN_MAX)
		return config_fail(document, value, "these are more than %d", SANDBOX_LISTEN_MAX);
	if (cli_listen_parse(text, &member->sockets[member->listening.count], &error) < 0)
		return config_fail(document, value, "\"%.64s\": %s", text, error.text);
	member->listening.count++;
	return 0;
}

static int check_no_sockets(struct config_document *document, const struct config_node *value,
			    const struct cli_up_member *member)
{
	if (member->listening.count == 0)
		return 0;
	return config_fail(document, value,
			   "`listen_fds` and `inetd` contradict each other; leave one out");
}

int cli_up_take_listen_fds(struct config_document *document, const struct config_node *value,
			   void *target)
{
	struct cli_up_member *member = target;

	if (check_no_sockets(document, value, member))
		return -EINVAL;
	member->listening.handing = SANDBOX_HANDING_LISTEN_FDS;
	return config_list(document, value, take_socket, member);
}

static int take_inetd_wait(struct config_document *document, const struct config_node *value,
			   void *target)
{
	struct cli_up_member *member = target;
	bool wait = false;
	int result = config_bool(document, value, &wait);

	if (wait)
		member->listening.handing = SANDBOX_HANDING_INETD_WAIT;
	return result;
}

static int take_inetd_most(struct config_document *document, const struct config_node *value,
			   void *target)
{
	struct cli_up_member *member = target;

	return config_integer(document, value, 1, SANDBOX_INETD_MOST, &member->listening.most);
}

static const struct config_key inetd_keys[] = {
	{"port", take_socket},
	{"wait", take_inetd_wait},
	{"most", take_inetd_most},
	{0},
};

int cli_up_take_inetd(struct config_document *document, const struct config_node *value,
		      void *target)
{
	struct cli_up_member *member = target;
	int result;

	if (check_no_sockets(document, value, member))
		return -EINVAL;
	member->listening.handing = SANDBOX_HANDING_INETD;
	member->listening.most = 64;
	if (config_is_mapping(value))
		result = config_mapping(document, value, inetd_keys, member);
	else
		result = take_socket(document, value, member);
	if (result == 0 && member->listening.count != 1)
		return config_fail(document, value, "which port is it? write `port:`");
	if (result == 0 && member->sockets[0].transport == COTHON_UDP)
		member->listening.handing = SANDBOX_HANDING_INETD_WAIT;
	return result;
}
