/* SPDX-License-Identifier: MIT */

/*
 * replay FOLDER...: gives every file of the folders to the target that it is linked with, as
 * libFuzzer would, in builds of every kind. A folder without files is an error.
 */

#include "fuzz.h"
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

static void die(const char *path, int error)
{
	printf("Bail out! %s: %s\n", path, strerror(error));
	exit(1);
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct stat status;
	uint8_t *data;
	size_t size;

	if (!file || fstat(fileno(file), &status) < 0)
		die(path, errno);
	size = (size_t)status.st_size;
	data = malloc(size ? size : 1);
	if (!data || fread(data, 1, size, file) != size)
		die(path, data ? EIO : ENOMEM);
	fclose(file);
	/* What is named last is what it ended with. */
	printf("# %s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
}

/* The last two parts of a path. */
static const char *short_name(const char *path)
{
	const char *last = strrchr(path, '/');

	while (last && last > path && last[-1] != '/')
		last--;
	return last ? last : path;
}

static void replay_folder(const char *folder)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, visible, alphasort);

	if (count <= 0)
		die(folder, count < 0 ? errno : ENOENT);
	for (int i = 0; i < count; i++) {
		char *path;

		if (asprintf(&path, "%s/%s", folder, entries[i]->d_name) < 0)
			die(folder, ENOMEM);
		replay_file(path);
		free(path);
		free(entries[i]);
	}
	free(entries);
}

int main(int argc, char **argv)
{
	printf("1..%d\n", argc - 1);
	for (int i = 1; i < argc; i++) {
		replay_folder(argv[i]);
		printf("ok %d - %s\n", i, short_name(argv[i]));
	}
	return argc > 1 ? 0 : 2;
}
