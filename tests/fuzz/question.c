/* SPDX-License-Identifier: MIT */

/*
 * What a sandbox's init says on its channel while it is asked one thing after the other: each of the
 * input's records is a question, one that is taken back, or a message with what comes along. Every
 * question is answered once, and no descriptor is left.
 */

#include "fuzz.h"
#include "sandbox/question.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	RECORD = 8,
	RECORDS = 64,
	QUESTIONS = 8,
	PASSED_MAX = 3,
	INIT = 100, /* its number */
};

struct asked {
	struct sandbox_question question;
	bool open;
};

struct interview {
	struct sandbox_questions questions;
	struct asked asked[QUESTIONS];
	int far;    /* init's end of the channel */
	bool ended; /* the channel has */
};

static void answered(struct sandbox_question *question, int error,
		     const struct sandbox_answer *answer)
{
	struct asked *asked = cothon_container(question, struct asked, question);

	fuzz_check(asked->open);
	asked->open = false;
	if (error)
		return;
	if (question->word == SANDBOX_INSPECT) {
		fuzz_check(answer->inspection);
		sandbox_inspection_free(answer->inspection);
		return;
	}
	for (int i = 0; i < SANDBOX_NAMESPACES; i++)
		fuzz_check(fcntl(answer->namespaces[i], F_GETFD) >= 0);
}

static unsigned count_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned count = 0;

	fuzz_check(folder);
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

static int make_inspection(unsigned processes)
{
	struct sandbox_process list[4] = {{.pid = 1}, {.pid = 2}, {.pid = 3}, {.pid = 4}};
	const struct sandbox_inspection inspection = {.process_count = processes % 5,
						      .processes = list};
	int fd = sandbox_inspection_write(&inspection);

	fuzz_check(fd >= 0);
	return fd;
}

/* record: a word; its value, two bytes; a part of the message's length; how many descriptors. */
static void say(struct interview *interview, const uint8_t *record)
{
	static const int types[] = {CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWNS};
	struct sandbox_message message = {.word = record[1] % (SANDBOX_GONE + 1),
					  .value = (int16_t)cothon_get16(record + 2)};
	struct iovec iov = {&message, record[4] ? record[4] % sizeof(message) : sizeof(message)};
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(PASSED_MAX * sizeof(int))];
	} control = {0};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
	unsigned count = record[5] % (PASSED_MAX + 1);
	int passed[PASSED_MAX];

	if (message.word == SANDBOX_NAMESPACE && message.value >= 0)
		message.value = types[message.value % 4];
	for (unsigned i = 0; i < count; i++)
		passed[i] = make_inspection(record[6]);
	if (count > 0) {
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(count * sizeof(int)),
						  .cmsg_level = SOL_SOCKET,
						  .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.header), passed, count * sizeof(int));
	}
	fuzz_check(sendmsg(interview->far, &header, MSG_NOSIGNAL) == (ssize_t)iov.iov_len);
	for (unsigned i = 0; i < count; i++)
		close(passed[i]);
}

static void hear(struct interview *interview)
{
	struct sandbox_message message;
	pid_t sender;
	int passed, error;

	error = sandbox_channel_receive_from(interview->questions.channel, &message, &passed,
					     &sender, MSG_DONTWAIT);
	if (error == 0) {
		if (!sandbox_questions_hear(&interview->questions, &message, passed, sender) &&
		    passed >= 0)
			close(passed);
	} else if (error != -EAGAIN && error != -EBADMSG) {
		fuzz_check(error == -EPIPE);
		interview->ended = true;
	}
}

static void ask(struct interview *interview, const uint8_t *record)
{
	struct asked *asked = &interview->asked[record[1] % QUESTIONS];

	if (asked->open) {
		sandbox_questions_cancel(&interview->questions, &asked->question);
		asked->open = false;
		return;
	}
	asked->open = true;
	asked->question.word = record[2] % 2 ? SANDBOX_ENTER : SANDBOX_INSPECT;
	asked->question.answered = answered;
	sandbox_questions_add(&interview->questions, &asked->question);
}

/* What it has been asked is of no interest here, but must not fill the channel. */
static void drop_questions(const struct interview *interview)
{
	struct sandbox_message message;

	while (recv(interview->far, &message, sizeof(message), MSG_DONTWAIT) > 0)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct interview interview = {0};
	unsigned before = count_descriptors();
	int ends[2];

	fuzz_check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
	sandbox_questions_init(&interview.questions, ends[0], INIT);
	interview.far = ends[1];
	for (unsigned i = 0; i < RECORDS && size >= RECORD && !interview.ended; i++) {
		if (data[0] % 4 == 0) {
			ask(&interview, data);
		} else {
			say(&interview, data);
			hear(&interview);
		}
		drop_questions(&interview);
		data += RECORD;
		size -= RECORD;
	}
	sandbox_questions_end(&interview.questions, -EPIPE);
	for (unsigned i = 0; i < QUESTIONS; i++)
		fuzz_check(!interview.asked[i].open);
	sandbox_questions_drop(&interview.questions);
	close(ends[0]);
	close(ends[1]);
	fuzz_check(count_descriptors() == before);
	return 0;
}
