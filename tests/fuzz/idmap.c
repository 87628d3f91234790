/* SPDX-License-Identifier: MIT */

/* The text of a user namespace's map: what is made of it is a map, and of one page. */

#include "fuzz.h"
#include "sandbox/idmap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t ids[] = {0, 1, 1000, 65534, UINT32_MAX};
	struct sandbox_idmap *map = malloc(sizeof(*map));
	char *text = fuzz_text(data, size);

	fuzz_check(map);
	if (sandbox_idmap_identity(text, map) == 0) {
		fuzz_check(strnlen(map->text, sizeof(map->text)) < sizeof(map->text));
		for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
			uint32_t first, last;

			if (sandbox_idmap_range(map, ids[i], &first, &last) == 0)
				fuzz_check(first <= ids[i]);
		}
	}
	free(text);
	free(map);
	return 0;
}
