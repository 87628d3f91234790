/* SPDX-License-Identifier: MIT */

/*
 * A file of `cothon up`: what is read is whole, every name in the plan is one of the file, and what is refused is refused
 * with words and a place inside the text.
 */

#include "fuzz.h"
#include "cli/up_file.h"

static void check_error(const struct config_error *error, size_t size)
{
	size_t len = strnlen(error->text, sizeof(error->text));

	fuzz_check(len > 0 && len < sizeof(error->text));
	fuzz_check(error->line <= size + 1 && error->column <= size + 1);
	fuzz_check((error->line == 0) == (error->column == 0));
}

static void check_file(const struct cli_up_file *file)
{
	bool planned[CLI_UP_MEMBERS] = {false};

	fuzz_check(file->member_count > 0 && file->member_count <= CLI_UP_MEMBERS);
	fuzz_check(control_name_is_valid(file->network));
	for (size_t i = 0; i < file->member_count; i++) {
		const struct cli_up_member *member = &file->members[i];
		size_t next = file->plan.order[i];

		fuzz_check(control_name_is_valid(member->options.name));
		fuzz_check(member->options.command && member->options.command[0]);
		fuzz_check(next < file->member_count && !planned[next]);
		planned[next] = true;
		for (size_t j = 0; j < i; j++)
			fuzz_check(
				!cothon_addr_equal(&member->options.network.ipv4.sandbox,
						   &file->members[j].options.network.ipv4.sandbox));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *const environment[] = {NULL};
	static struct cli_up_file file;
	struct config_error error;
	char *text = (char *)fuzz_copy(data, size);

	if (cli_up_file_read(text, size, "/a/shop.yaml", environment, &file, &error) == 0)
		check_file(&file);
	else
		check_error(&error, size);
	cli_up_file_release(&file);
	free(text);
	return 0;
}
