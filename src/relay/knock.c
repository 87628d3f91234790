/* SPDX-License-Identifier: MIT */
#include "relay/knock.h"

#include "relay/state.h"

#include <errno.h>

static void told(struct cothon_tcp *tcp, void *owner, unsigned events);

static int open_to(struct relay_knock *knock, const struct relay_family *family)
{
	const struct cothon_endpoint local = {family->gateway, 0};
	const struct cothon_endpoint remote = {family->sandbox, knock->port};

	if (!family->enabled)
		return -EAFNOSUPPORT;
	return cothon_tcp_connect(knock->relay->stack, &local, &remote, told, knock, &knock->tcp);
}

/* Nobody was there; a server may know only the other family. */
static bool try_second(struct relay_knock *knock)
{
	if (knock->second)
		return false;
	knock->second = true;
	return open_to(knock, &knock->relay->policy.network.ipv6) == 0;
}

static void told(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct relay_knock *knock = owner;
	bool accepted = events & COTHON_TCP_OPENED;

	if (!accepted && !(events & COTHON_TCP_ENDED))
		return;
	knock->tcp = NULL;
	cothon_tcp_close(tcp);
	if (accepted || !try_second(knock))
		knock->answered(knock, accepted);
}

int relay_knock_start(struct relay_knock *knock, struct relay *relay, uint16_t port,
		      void (*answered)(struct relay_knock *knock, bool accepted))
{
	const struct relay_network *network = &relay->policy.network;

	*knock = (struct relay_knock){
		.relay = relay,
		.port = port,
		.answered = answered,
		.second = !network->ipv4.enabled,
	};
	return open_to(knock, knock->second ? &network->ipv6 : &network->ipv4);
}

void relay_knock_cancel(struct relay_knock *knock)
{
	if (knock->tcp)
		cothon_tcp_abort(knock->tcp);
	knock->tcp = NULL;
}
