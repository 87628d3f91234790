/* SPDX-License-Identifier: MIT */
#include "cli/up_output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* A command, what shows its output, and who looks at that. */
struct stage {
	struct host_loop *loop;
	struct host_hook hook;
	struct control_journal *journal;
	struct cli_output output;
	int command[2]; /* its standard output and error */
	int eye;
	const char *say; /* what the command has still to write, over and over */
	size_t left;
	size_t lines, others; /* that were shown: newlines, and all other bytes */
};

static struct cli_screen screen;

static void gone(struct cli_screen *gone_screen)
{
	(void)gone_screen;
	fail_msg("the screen is gone");
}

static int make_pipe(int *written)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	*written = ends[1];
	return ends[0];
}

static void open_stage(struct stage *stage)
{
	int pipes[2], shown;

	*stage = (struct stage){.journal = control_journal_create(CONTROL_JOURNAL_BYTES)};
	memset(&screen, 0, sizeof(screen));
	assert_int_equal(host_loop_create(&stage->loop), 0);
	stage->eye = make_pipe(&shown);
	/* The longest name that there may be. */
	screen.width = 63;
	screen.colours = true;
	assert_int_equal(cli_screen_open(&screen, stage->loop, shown, gone), 0);
	for (int i = 0; i < 2; i++)
		pipes[i] = make_pipe(&stage->command[i]);
	assert_int_equal(cli_output_open(&stage->output, stage->loop, "web", pipes, stage->journal,
					 &screen),
			 0);
}

static void close_stage(struct stage *stage)
{
	cli_output_close(&stage->output);
	cli_screen_close(&screen);
	control_journal_destroy(stage->journal);
	host_loop_destroy(stage->loop);
	close(stage->eye);
	close(stage->command[0]);
	close(stage->command[1]);
}

static void look(struct stage *stage)
{
	char bytes[16 << 10];
	ssize_t len;

	while ((len = read(stage->eye, bytes, sizeof(bytes))) > 0) {
		for (ssize_t i = 0; i < len; i++) {
			stage->lines += bytes[i] == '\n';
			stage->others += bytes[i] == 'x';
		}
	}
}

static void speak(struct stage *stage)
{
	while (stage->left > 0) {
		size_t len = strlen(stage->say);
		ssize_t wrote =
			write(stage->command[0], stage->say, len < stage->left ? len : stage->left);

		if (wrote < 0)
			return;
		stage->left -= (size_t)wrote;
	}
}

static uint64_t turn(struct host_hook *hook, uint64_t now)
{
	struct stage *stage = cothon_container(hook, struct stage, hook);
	int waiting;

	(void)now;
	speak(stage);
	look(stage);
	assert_int_equal(ioctl(stage->output.pipes[0].watch.fd, FIONREAD, &waiting), 0);
	if (stage->left == 0 && waiting == 0 && screen.len == 0)
		host_loop_stop(stage->loop);
	return now;
}

/* The command writes `left` bytes of `say`, and all is read that is shown. */
static void run(struct stage *stage, const char *say, size_t left)
{
	stage->say = say;
	stage->left = left;
	stage->hook.turn = turn;
	host_loop_hook(stage->loop, &stage->hook);
	assert_int_equal(host_loop_run(stage->loop), 0);
	host_loop_unhook(stage->loop, &stage->hook);
	look(stage);
}

static void no_line_is_lost_however_short(void **state)
{
	static char newlines[32 << 10];
	struct stage stage;

	(void)state;
	open_stage(&stage);
	memset(newlines, '\n', sizeof(newlines) - 1);
	run(&stage, newlines, 100000);
	assert_int_equal(stage.lines, 100000);
	assert_int_equal(control_journal_next(stage.journal), 100000);
	close_stage(&stage);
}

static void no_byte_is_lost_however_long_the_line(void **state)
{
	static char line[32 << 10];
	struct stage stage;

	(void)state;
	open_stage(&stage);
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 2] = '\n';
	run(&stage, line, 50 * (sizeof(line) - 1));
	assert_int_equal(stage.others, 50 * (sizeof(line) - 2));
	close_stage(&stage);
}

/* A command has ended, and nobody looks for a while: what it wrote waits, with the line that has no end. */
static void the_end_waits_for_who_looks(void **state)
{
	static char newlines[50000];
	struct stage stage;
	unsigned times = 0;

	(void)state;
	open_stage(&stage);
	memset(newlines, '\n', sizeof(newlines));
	memset(newlines + sizeof(newlines) - 4, 'x', 4);
	assert_int_equal(write(stage.command[0], newlines, sizeof(newlines)), sizeof(newlines));
	while (!cli_output_finish_line(&stage.output) || screen.len > 0) {
		look(&stage);
		times++;
	}
	look(&stage);
	assert_true(times > 1);
	assert_int_equal(stage.lines, sizeof(newlines) - 4 + 1);
	assert_int_equal(stage.others, 4);
	close_stage(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_line_is_lost_however_short),
		cmocka_unit_test(no_byte_is_lost_however_long_the_line),
		cmocka_unit_test(the_end_waits_for_who_looks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
