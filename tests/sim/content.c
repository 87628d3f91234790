/* SPDX-License-Identifier: MIT */
#include "content.h"

#include <endian.h>
#include <string.h>

static uint64_t word_at(uint64_t key, uint64_t index)
{
	uint64_t word = (key ^ index) * 0x9e3779b97f4a7c15;

	word = (word ^ word >> 29) * 0xbf58476d1ce4e5b9;
	return word ^ word >> 32;
}

static uint8_t byte_at(uint64_t key, uint64_t offset)
{
	return (uint8_t)(word_at(key, offset / 8) >> offset % 8 * 8);
}

void content_fill(uint64_t key, uint64_t offset, uint8_t *data, size_t len)
{
	size_t i = 0;

	for (; i < len && (offset + i) % 8; i++)
		data[i] = byte_at(key, offset + i);
	for (; len - i >= 8; i += 8) {
		uint64_t word = htole64(word_at(key, (offset + i) / 8));

		memcpy(data + i, &word, sizeof(word));
	}
	for (; i < len; i++)
		data[i] = byte_at(key, offset + i);
}

size_t content_match(uint64_t key, uint64_t offset, const uint8_t *data, size_t len)
{
	size_t i = 0;

	while (i < len) {
		uint64_t word = htole64(word_at(key, (offset + i) / 8));

		if ((offset + i) % 8 == 0 && len - i >= 8 && memcmp(data + i, &word, 8) == 0)
			i += 8;
		else if (data[i] == byte_at(key, offset + i))
			i++;
		else
			break;
	}
	return i;
}
