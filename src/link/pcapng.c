/* SPDX-License-Identifier: MIT */
#include "link/pcapng.h"

#include <string.h>

enum {
	SECTION = 0x0a0d0d0a,
	INTERFACE = 1,
	STATISTICS = 5,
	PACKET = 6,

	BYTE_ORDER_MAGIC = 0x1a2b3c4d,
	VERSION_MAJOR = 1,
	VERSION_MINOR = 0,
	LINKTYPE_RAW = 101,

	OPTION_END = 0,
	OPTION_COMMENT = 1,
	SECTION_APPLICATION = 4,
	INTERFACE_NAME = 2,
	INTERFACE_DESCRIPTION = 3,
	INTERFACE_RESOLUTION = 9,
	PACKET_FLAGS = 2,
	STATISTICS_FROM = 2,
	STATISTICS_TO = 3,
	STATISTICS_RECEIVED = 4,
	STATISTICS_DROPPED = 5,

	NANOSECONDS = 9, /* INTERFACE_RESOLUTION: ten to the power of minus this */
	INBOUND = 1,
	OUTBOUND = 2,
	OPTION_HEAD = 4,
};

/* A block on its way: `at` is where it goes on. */
struct writer {
	uint8_t *out;
	size_t at;
};

static void put(struct writer *writer, uint64_t value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		writer->out[writer->at++] = (uint8_t)(value >> 8 * i);
}

static size_t padding(size_t len)
{
	return -len & 3;
}

/* Times and counts of 64 bits are written in two halves where the format says so: the upper first. */
static void put_halves(struct writer *writer, uint64_t value)
{
	put(writer, value >> 32, 4);
	put(writer, value, 4);
}

static void begin(struct writer *writer, uint32_t type)
{
	put(writer, type, 4);
	put(writer, 0, 4); /* the length, by end() */
}

static size_t end(struct writer *writer)
{
	struct writer length = {writer->out, 4};
	size_t len = writer->at + 4;

	put(writer, len, 4);
	put(&length, len, 4);
	return len;
}

static void put_option(struct writer *writer, uint16_t code, const void *value, size_t len)
{
	put(writer, code, 2);
	put(writer, len, 2);
	memcpy(writer->out + writer->at, value, len);
	writer->at += len;
	put(writer, 0, padding(len));
}

/* The length that a text has in the file. */
static size_t text_len(const char *text)
{
	size_t len = strnlen(text, COTHON_PCAPNG_TEXT + 1);

	if (len <= COTHON_PCAPNG_TEXT)
		return len;
	/* The first byte that is left out must begin a character. */
	len = COTHON_PCAPNG_TEXT;
	while (len > 0 && ((uint8_t)text[len] & 0xc0) == 0x80)
		len--;
	return len;
}

static void put_text(struct writer *writer, uint16_t code, const char *text)
{
	if (text && text[0])
		put_option(writer, code, text, text_len(text));
}

static void end_options(struct writer *writer)
{
	put(writer, OPTION_END, OPTION_HEAD);
}

size_t cothon_pcapng_section(const char *application, uint8_t out[static COTHON_PCAPNG_SECTION])
{
	struct writer writer = {out, 0};

	begin(&writer, SECTION);
	put(&writer, BYTE_ORDER_MAGIC, 4);
	put(&writer, VERSION_MAJOR, 2);
	put(&writer, VERSION_MINOR, 2);
	put(&writer, UINT64_MAX, 8); /* the section's length is not told */
	put_text(&writer, SECTION_APPLICATION, application);
	end_options(&writer);
	return end(&writer);
}

size_t cothon_pcapng_interface(uint32_t snap, const char *name, const char *description,
			       uint8_t out[static COTHON_PCAPNG_INTERFACE])
{
	const uint8_t resolution = NANOSECONDS;
	struct writer writer = {out, 0};

	begin(&writer, INTERFACE);
	put(&writer, LINKTYPE_RAW, 2);
	put(&writer, 0, 2);
	put(&writer, snap, 4);
	put_text(&writer, INTERFACE_NAME, name);
	put_text(&writer, INTERFACE_DESCRIPTION, description);
	put_option(&writer, INTERFACE_RESOLUTION, &resolution, sizeof(resolution));
	end_options(&writer);
	return end(&writer);
}

/* The length of a packet's options, the end of them included. */
static size_t packet_options(const struct cothon_pcapng_packet *packet)
{
	size_t len = OPTION_HEAD + 4 + OPTION_HEAD;

	if (packet->comment && packet->comment[0]) {
		size_t text = text_len(packet->comment);

		len += OPTION_HEAD + text + padding(text);
	}
	return len;
}

size_t cothon_pcapng_packet_len(const struct cothon_pcapng_packet *packet)
{
	return COTHON_PCAPNG_HEAD + (size_t)packet->captured + padding(packet->captured) +
	       packet_options(packet) + 4;
}

size_t cothon_pcapng_head(const struct cothon_pcapng_packet *packet,
			  uint8_t out[static COTHON_PCAPNG_HEAD])
{
	struct writer writer = {out, 0};

	put(&writer, PACKET, 4);
	put(&writer, cothon_pcapng_packet_len(packet), 4);
	put(&writer, 0, 4); /* the interface */
	put_halves(&writer, packet->at);
	put(&writer, packet->captured, 4);
	put(&writer, packet->len, 4);
	return writer.at;
}

size_t cothon_pcapng_tail(const struct cothon_pcapng_packet *packet,
			  uint8_t out[static COTHON_PCAPNG_TAIL])
{
	const uint8_t flags[4] = {packet->received ? INBOUND : OUTBOUND};
	struct writer writer = {out, 0};

	put(&writer, 0, padding(packet->captured));
	put_text(&writer, OPTION_COMMENT, packet->comment);
	put_option(&writer, PACKET_FLAGS, flags, sizeof(flags));
	end_options(&writer);
	put(&writer, cothon_pcapng_packet_len(packet), 4);
	return writer.at;
}

static void put_time(struct writer *writer, uint16_t code, uint64_t at)
{
	put(writer, code, 2);
	put(writer, 8, 2);
	put_halves(writer, at);
}

static void put_count(struct writer *writer, uint16_t code, uint64_t count)
{
	put(writer, code, 2);
	put(writer, 8, 2);
	put(writer, count, 8);
}

size_t cothon_pcapng_statistics(const struct cothon_pcapng_statistics *statistics,
				uint8_t out[static COTHON_PCAPNG_STATISTICS])
{
	struct writer writer = {out, 0};

	begin(&writer, STATISTICS);
	put(&writer, 0, 4); /* the interface */
	put_halves(&writer, statistics->to);
	put_time(&writer, STATISTICS_FROM, statistics->from);
	put_time(&writer, STATISTICS_TO, statistics->to);
	put_count(&writer, STATISTICS_RECEIVED, statistics->received);
	put_count(&writer, STATISTICS_DROPPED, statistics->dropped);
	end_options(&writer);
	return end(&writer);
}
