/* SPDX-License-Identifier: MIT */

/* embed OUTPUT FILE...: writes files as the C source that defines control_page_files of control/page/page.h. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static const char *media_type(const char *path)
{
	static const char *const types[][2] = {
		{".html", "text/html; charset=utf-8"},
		{".css", "text/css; charset=utf-8"},
		{".js", "text/javascript; charset=utf-8"},
		{".svg", "image/svg+xml"},
	};
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot && i < sizeof(types) / sizeof(*types); i++) {
		if (strcmp(types[i][0], dot) == 0)
			return types[i][1];
	}
	fprintf(stderr, "embed: %s: what is it?\n", path);
	exit(1);
}

/* Writes a file as an array; returns its length. */
static size_t write_bytes(FILE *out, const char *path, int number)
{
	FILE *in = fopen(path, "rb");
	size_t len = 0;
	int byte;

	if (!in) {
		perror(path);
		exit(1);
	}
	fprintf(out, "static const char file_%d[] = {", number);
	while ((byte = fgetc(in)) != EOF)
		fprintf(out, "%s%d,", len++ % 24 == 0 ? "\n" : "", (signed char)byte);
	fprintf(out, "\n};\n");
	fclose(in);
	return len;
}

int main(int argc, char **argv)
{
	FILE *out = argc > 2 ? fopen(argv[1], "w") : NULL;

	if (!out) {
		fprintf(stderr, "embed OUTPUT FILE...\n");
		return 1;
	}
	fprintf(out, "#include \"control/page/page.h\"\n\n#include <stddef.h>\n\n");
	for (int i = 2; i < argc; i++)
		write_bytes(out, argv[i], i);
	fprintf(out, "\nconst struct control_page_file control_page_files[] = {\n");
	for (int i = 2; i < argc; i++) {
		const char *name = base_name(argv[i]);

		fprintf(out, "\t{\"/%s\", \"%s\", file_%d, sizeof(file_%d)},\n",
			strcmp(name, "index.html") == 0 ? "" : name, media_type(name), i, i);
	}
	fprintf(out, "\t{NULL, NULL, NULL, 0},\n};\n");
	return fclose(out) == 0 ? 0 : 1;
}
