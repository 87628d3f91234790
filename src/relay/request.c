/* SPDX-License-Identifier: MIT */
#include "relay/request.h"

#include "relay/question.h"
#include "relay/reply.h"
#include "relay/state.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Requests that wait */

void relay_request_cancel(struct relay_request *request)
{
	struct relay *relay = request->relay;

	if (request->name) {
		relay_resolve_cancel(&request->waiter);
		relay_names_put(&relay->names, request->name);
	}
	relay_query_cancel(&request->query);
	if (request->asker.stream)
		request->asker.stream->request = NULL;
	cothon_list_remove(&request->node);
	relay->dns.request_count--;
	free(request);
}

static void send_failure(struct relay *relay, const struct relay_asker *asker, const uint8_t *query,
			 size_t len, unsigned rcode)
{
	uint8_t message[RELAY_REQUEST_LEN_MAX];

	memcpy(message, query, len);
	relay_dns_send(relay, asker, message, relay_dns_make_failure(message, len, rcode));
}

/* Keeps a query until its answer is known. Returns NULL without memory. */
static struct relay_request *create(struct relay *relay, const struct relay_asker *asker,
				    const uint8_t *message, size_t len)
{
	struct relay_request *request = calloc(1, sizeof(*request) + len);

	if (!request)
		return NULL;
	if (relay->dns.request_count >= relay->limits.dns_requests) {
		relay->counters.dns_dropped++;
		relay->met.dns_requests++;
		relay_request_cancel(
			cothon_container(relay->dns.requests.next, struct relay_request, node));
	}
	request->relay = relay;
	request->asker = *asker;
	request->id = relay_dns_id(message);
	request->len = len;
	memcpy(request->message, message, len);
	cothon_list_append(&relay->dns.requests, &request->node);
	relay->dns.request_count++;
	if (asker->stream)
		asker->stream->request = request;
	return request;
}

/* Ends a request, and gives its answer. */
static void answer(struct relay_request *request, const uint8_t *message, size_t len)
{
	struct relay *relay = request->relay;
	struct relay_asker asker = request->asker;

	relay_request_cancel(request);
	relay_dns_send(relay, &asker, message, len);
}

/* Passing on */

static void passed_on(struct relay_query *query, const uint8_t *message, size_t len)
{
	struct relay_request *request = cothon_container(query, struct relay_request, query);
	uint8_t copy[UINT16_MAX];

	if (message) {
		memcpy(copy, message, len);
	} else {
		memcpy(copy, request->message, request->len);
		len = relay_dns_make_failure(copy, request->len, RELAY_DNS_SERVFAIL);
	}
	relay_dns_set_id(copy, request->id);
	answer(request, copy, len);
}

static void pass_on(struct relay *relay, const struct relay_asker *asker, const uint8_t *message,
		    size_t len)
{
	struct relay_request *request = create(relay, asker, message, len);

	if (!request) {
		send_failure(relay, asker, message, len, RELAY_DNS_SERVFAIL);
		return;
	}
	request->query.message = request->message;
	request->query.len = len;
	request->query.answered = passed_on;
	relay_query_start(relay, &request->query);
}

/* Answers of the gateway's own */

static void send_nothing(struct relay *relay, const struct relay_asker *asker, const uint8_t *query,
			 const struct relay_dns_question *question, unsigned rcode)
{
	struct relay_reply reply;

	relay_reply_begin(&reply, query, question, rcode);
	relay_reply_add_nothing(&reply);
	relay_reply_end(&reply, question, 0, NULL);
	relay_dns_send(relay, asker, reply.bytes, reply.len);
}

/* Answers with the synthetic address of a name, or with why it has none. */
static void send_address(struct relay *relay, const struct relay_asker *asker, const uint8_t *query,
			 size_t len, const struct relay_name *name)
{
	const struct relay_network *network = &relay->policy.network;
	struct relay_dns_question question;
	struct relay_reply reply;
	struct cothon_addr addr;
	bool ipv6;

	if (relay_dns_read_question(query, len, &question) || name->status == -EAGAIN) {
		send_failure(relay, asker, query, len, RELAY_DNS_SERVFAIL);
		return;
	}
	ipv6 = question.type == RELAY_DNS_AAAA;
	if (name->status || name->addr_count == 0 ||
	    !(ipv6 ? network->ipv6.enabled : network->ipv4.enabled)) {
		send_nothing(relay, asker, query, &question, name->status ? RELAY_DNS_NXDOMAIN : 0);
		return;
	}
	addr = relay_names_address(name, ipv6);
	relay_reply_begin(&reply, query, &question, 0);
	relay_reply_add_address(&reply, &addr);
	relay_reply_end(&reply, &question, 0, NULL);
	relay_dns_send(relay, asker, reply.bytes, reply.len);
}

static void resolved(struct relay_waiter *waiter)
{
	struct relay_request *request = cothon_container(waiter, struct relay_request, waiter);
	struct relay *relay = request->relay;
	struct relay_name *name = relay_names_take(request->name);
	struct relay_asker asker = request->asker;
	uint8_t message[RELAY_REQUEST_LEN_MAX];
	size_t len = request->len;

	memcpy(message, request->message, len);
	relay_request_cancel(request);
	send_address(relay, &asker, message, len, name);
	relay_names_put(&relay->names, name);
}

/* Answers with an address as soon as it is known that the name has any. */
static void find_address(struct relay *relay, const struct relay_asker *asker,
			 const uint8_t *message, size_t len, const char *text)
{
	struct relay_name *name = relay_names_obtain(&relay->names, text);
	struct relay_request *request = name ? create(relay, asker, message, len) : NULL;

	if (!request) {
		send_failure(relay, asker, message, len, RELAY_DNS_SERVFAIL);
		return;
	}
	request->name = relay_names_take(name);
	relay_waiter_init(&request->waiter, resolved);
	if (relay_resolve(relay, name, &request->waiter))
		resolved(&request->waiter);
}

/*
 * The name of a synthetic address; those of the gateway and its like have none. Returns false when
 * the question is for something else.
 */
static bool send_pointer(struct relay *relay, const struct relay_asker *asker, const uint8_t *query,
			 const struct relay_dns_question *question)
{
	const struct relay_name *name;
	struct relay_reply reply;
	struct cothon_addr addr;

	if (question->type != RELAY_DNS_PTR || !relay_dns_reverse(question->name, &addr) ||
	    !(relay_names_is_synthetic(&addr) ||
	      relay_network_inside(&relay->policy.network, &addr)))
		return false;
	name = relay_names_find(&relay->names, &addr);
	if (!name) {
		send_nothing(relay, asker, query, question, RELAY_DNS_NXDOMAIN);
		return true;
	}
	relay_reply_begin(&reply, query, question, 0);
	relay_reply_add_pointer(&reply, name->text);
	relay_reply_end(&reply, question, 0, NULL);
	relay_dns_send(relay, asker, reply.bytes, reply.len);
	return true;
}

/*
 * What is asked about neighbours, their names and their addresses, is answered here and goes no further. Returns
 * false when the question is for something else.
 */
static bool answer_neighbour(struct relay *relay, const struct relay_asker *asker,
			     const uint8_t *query, size_t len)
{
	const struct relay_neighbourhood *neighbourhood = relay->neighbour.neighbourhood;
	struct cothon_addr asked, addr = {0};
	struct relay_dns_question question;
	struct relay_reply reply;
	const char *pointer = NULL;
	bool reverse, known;

	if (!neighbourhood || relay_dns_read_question(query, len, &question))
		return false;
	reverse = relay_dns_reverse(question.name, &asked) &&
		  relay_network_inside(&relay->policy.network, &asked);
	if (!reverse && !relay_neighbour_is_name(question.name))
		return false;
	if (reverse) {
		pointer = relay_neighbour_name(neighbourhood, &asked);
		known = pointer;
	} else {
		/* RFC 8020: if the domain itself were not there, nothing below it would be. */
		known = relay_neighbour_find(neighbourhood, question.name,
					     question.type == RELAY_DNS_AAAA, &addr) ||
			!strchr(question.name, '.');
	}
	relay_reply_begin(&reply, query, &question, known ? 0 : RELAY_DNS_NXDOMAIN);
	if (pointer && question.type == RELAY_DNS_PTR)
		relay_reply_add_pointer(&reply, pointer);
	else if (!cothon_addr_is_any(&addr) &&
		 (question.type == RELAY_DNS_A || question.type == RELAY_DNS_AAAA))
		relay_reply_add_address(&reply, &addr);
	else
		relay_reply_add_nothing(&reply);
	relay_reply_end(&reply, &question, 0, NULL);
	relay_dns_send(relay, asker, reply.bytes, reply.len);
	return true;
}

/* Notes that a name may not be asked for, and says that it does not exist. */
static void deny(struct relay *relay, const struct relay_asker *asker, const uint8_t *query,
		 const struct relay_dns_question *question, const char *name,
		 const struct relay_decision *decision)
{
	bool by_rule = decision->by == RELAY_DENIED_BY_RULE;
	struct relay_reply reply;
	struct relay_denial denial = {
		.transport = asker->stream ? COTHON_TCP : COTHON_UDP,
		.query = true,
		.source = asker->client,
		.destination = asker->server,
	};

	snprintf(denial.name, sizeof(denial.name), "%s", name);
	relay->counters.dns_denied++;
	relay_deny(relay, &denial, decision);
	relay_reply_begin(&reply, query, question, RELAY_DNS_NXDOMAIN);
	relay_reply_add_nothing(&reply);
	relay_reply_end(&reply, question, RELAY_REPLY_BLOCKED,
			by_rule ? "a rule denies it" : "no rule allows it");
	relay_dns_send(relay, asker, reply.bytes, reply.len);
}

/* Answers as the rules about names have it. */
static void answer_by_rules(struct relay *relay, const struct relay_asker *asker,
			    const uint8_t *message, size_t len)
{
	/* For what is no name at all. */
	struct relay_decision decision = {.denied = true, .by = RELAY_DENIED_BY_NONE, .rule = -1};
	struct relay_dns_question question;
	char name[COTHON_NAME_MAX + 1];

	if (relay_dns_read_question(message, len, &question) || question.class != RELAY_DNS_IN) {
		send_failure(relay, asker, message, len, RELAY_DNS_REFUSED);
		return;
	}
	if (send_pointer(relay, asker, message, &question))
		return;
	if (cothon_name_normalize(question.name, strlen(question.name), name)) {
		deny(relay, asker, message, &question, question.name, &decision);
		return;
	}
	if (relay_policy_decide_question(&relay->policy, name, &decision)) {
		deny(relay, asker, message, &question, name, &decision);
		return;
	}
	switch (question.type) {
	case RELAY_DNS_A:
	case RELAY_DNS_AAAA:
		find_address(relay, asker, message, len, name);
		return;
	case RELAY_DNS_HTTPS:
	case RELAY_DNS_SVCB:
	case RELAY_DNS_ANY:
		send_nothing(relay, asker, message, &question, 0);
		return;
	default:
		pass_on(relay, asker, message, len);
	}
}

int relay_request_take(struct relay *relay, const struct relay_asker *asker, const uint8_t *message,
		       size_t len)
{
	int error = len > RELAY_REQUEST_LEN_MAX ? -EBADMSG : relay_dns_check_query(message, len);

	relay->counters.dns_queries++;
	if (error == -EPROTO || error == -EOPNOTSUPP)
		send_failure(relay, asker, message, len,
			     error == -EPROTO ? RELAY_DNS_FORMERR : RELAY_DNS_NOTIMP);
	if (error || relay->draining) {
		relay->counters.dns_dropped++;
		return error == -EBADMSG ? error : 0;
	}
	if (answer_neighbour(relay, asker, message, len))
		return 0;
	if (relay->policy.some_names_denied)
		answer_by_rules(relay, asker, message, len);
	else
		pass_on(relay, asker, message, len);
	return 0;
}

void relay_request_finish(struct relay *relay)
{
	while (!cothon_list_empty(&relay->dns.requests))
		relay_request_cancel(cothon_container(relay_take_first(&relay->dns.requests),
						      struct relay_request, node));
}
