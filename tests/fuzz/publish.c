/* SPDX-License-Identifier: MIT */

/*
 * The text of a publication: what is read stays inside the ports that there are and is written in a
 * form that is read as the same; what is refused is refused with words.
 */

#include "fuzz.h"
#include "cli/publish.h"

static void check_publication(const struct relay_publication *publication)
{
	char text[CLI_PUBLISH_TEXT];
	struct relay_publication again;
	struct cli_error error;
	uint16_t port;

	fuzz_check(publication->count > 0 && publication->outside > 0 && publication->inside > 0);
	fuzz_check(publication->outside + publication->count - 1 <= UINT16_MAX);
	fuzz_check(publication->inside + publication->count - 1 <= UINT16_MAX);
	cli_publish_format(publication, text);
	fuzz_check(strlen(text) < sizeof(text) - 1);
	fuzz_check(cli_publish_parse(text, &again, &error) == 0);
	fuzz_check(again.transport == publication->transport &&
		   again.has_addr == publication->has_addr &&
		   cothon_addr_equal(&again.addr, &publication->addr) &&
		   again.outside == publication->outside && again.inside == publication->inside &&
		   again.count == publication->count);
	fuzz_check(cli_publish_conflict(publication, &again, &port));
	fuzz_check(port == publication->outside);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct relay_publication publication;
	struct cli_error error = {0};
	char *text = fuzz_text(data, size);

	if (cli_publish_parse(text, &publication, &error) == 0)
		check_publication(&publication);
	else
		fuzz_check(error.text[0] && strlen(error.text) < sizeof(error.text));
	free(text);
	return 0;
}
