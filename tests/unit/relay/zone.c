/* SPDX-License-Identifier: MIT */
#include "zone.h"

#include "base/bytes.h"
#include "base/list.h"
#include "house.h"
#include "host/socket.h"
#include <resolv.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum {
	ROOM = 4096
};

struct message {
	uint8_t bytes[ROOM];
	size_t len;
};

static void put_name(struct message *message, const char *name)
{
	int len = dn_comp(name, message->bytes + message->len, (int)(ROOM - message->len), NULL,
			  NULL);

	assert_true(len > 0);
	message->len += (size_t)len;
}

static void put16(struct message *message, unsigned value)
{
	cothon_put16(message->bytes + message->len, (uint16_t)value);
	message->len += 2;
}

static void put_record(struct message *message, const char *name, uint16_t type, uint32_t ttl,
		       const void *data, size_t len)
{
	put_name(message, name);
	put16(message, type);
	put16(message, RELAY_DNS_IN);
	put16(message, ttl >> 16);
	put16(message, ttl);
	put16(message, (unsigned)len);
	memcpy(message->bytes + message->len, data, len);
	message->len += len;
}

static void put_answer(struct message *message, const struct zone_record *record)
{
	uint8_t data[256];
	struct cothon_addr addr;
	int len;

	message->bytes[7]++;
	if (record->type == RELAY_DNS_CNAME) {
		len = dn_comp(record->data, data, sizeof(data), NULL, NULL);
		put_record(message, record->name, record->type, record->ttl, data, (size_t)len);
		return;
	}
	assert_int_equal(cothon_addr_parse(record->data, &addr), 0);
	if (record->type == RELAY_DNS_A)
		put_record(message, record->name, record->type, record->ttl, addr.b + 12, 4);
	else
		put_record(message, record->name, record->type, record->ttl, addr.b, 16);
}

static void put_nothing(struct message *message, const char *name)
{
	const uint8_t soa[22] = {[21] = 7};

	message->bytes[9]++;
	put_record(message, name, RELAY_DNS_SOA, 9, soa, sizeof(soa));
}

/*
 * Puts what the zone knows of a name behind the question: *alias becomes where that leads, or NULL.
 * Returns the response code.
 */
static unsigned look_up_one(const struct zone *zone, struct message *message, const char *name,
			    uint16_t type, const char **alias)
{
	bool exists = false, answered = false;

	*alias = NULL;
	for (const struct zone_record *record = zone->records; record->name; record++) {
		if (strcasecmp(record->name, name) != 0)
			continue;
		exists = true;
		if (record->type == 0)
			return record->ttl;
		if (record->type != type && record->type != RELAY_DNS_CNAME)
			continue;
		put_answer(message, record);
		answered = true;
		if (record->type == RELAY_DNS_CNAME)
			*alias = record->data;
	}
	if (!answered)
		put_nothing(message, name);
	return exists ? 0 : RELAY_DNS_NXDOMAIN;
}

static unsigned look_up(const struct zone *zone, struct message *message, const char *name,
			uint16_t type)
{
	const char *alias;
	unsigned rcode = look_up_one(zone, message, name, type, &alias);

	while (alias && !zone->terse)
		rcode = look_up_one(zone, message, alias, type, &alias);
	return rcode;
}

static void serve(struct zone *zone, const uint8_t *query, size_t len,
		  const struct host_sockaddr *from)
{
	struct relay_dns_question question;
	struct message answer = {.len = 0};
	unsigned rcode;

	assert_int_equal(relay_dns_check_query(query, len), 0);
	assert_int_equal(relay_dns_read_question(query, len, &question), 0);
	memcpy(zone->last, question.name, strlen(question.name) + 1);
	zone->asked++;
	if (zone->silent)
		return;
	memcpy(answer.bytes, query, question.end);
	memset(answer.bytes + 6, 0, 6);
	answer.len = question.end;
	if (question.edns && zone->no_edns)
		rcode = RELAY_DNS_FORMERR;
	else
		rcode = look_up(zone, &answer, question.name, question.type);
	answer.bytes[2] |= 0x80;
	answer.bytes[3] = (uint8_t)(0x80 | rcode);
	assert_int_equal(sendto(zone->watch.fd, answer.bytes, answer.len, 0, &from->any, from->len),
			 answer.len);
}

static void ready(struct host_watch *watch, uint32_t events, uint64_t now)
{
	struct zone *zone = cothon_container(watch, struct zone, watch);
	struct host_sockaddr from = {.len = sizeof(from.in6)};
	uint8_t query[ROOM];
	ssize_t len;

	(void)events;
	(void)now;
	len = recvfrom(watch->fd, query, sizeof(query), 0, &from.any, &from.len);
	if (len > 0)
		serve(zone, query, (size_t)len, &from);
}

void zone_open(struct zone *zone, const struct zone_record *records)
{
	*zone = (struct zone){.records = records};
	zone->watch = (struct host_watch){.fd = house_bind_udp(false, 0), .ready = ready};
}

uint16_t zone_port(const struct zone *zone)
{
	return house_port(zone->watch.fd);
}

void zone_serve(struct zone *zone, struct host_loop *loop)
{
	zone->loop = loop;
	assert_int_equal(host_loop_add(loop, &zone->watch, EPOLLIN), 0);
}

void zone_close(struct zone *zone)
{
	host_loop_remove(zone->loop, &zone->watch);
	close(zone->watch.fd);
}

size_t zone_question(const char *name, uint16_t type, uint8_t bytes[static 512])
{
	struct message message = {.len = RELAY_DNS_HEADER};

	message.bytes[0] = 0x12;
	message.bytes[1] = 0x34;
	message.bytes[2] = 1;
	message.bytes[5] = 1;
	put_name(&message, name);
	put16(&message, type);
	put16(&message, RELAY_DNS_IN);
	memcpy(bytes, message.bytes, message.len);
	return message.len;
}
