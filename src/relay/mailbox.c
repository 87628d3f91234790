/* SPDX-License-Identifier: MIT */
#include "relay/mailbox.h"

#include "host/socket.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

int relay_mailbox_open(struct relay_mailbox *box)
{
	box->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (box->fd < 0)
		return -errno;
	pthread_mutex_init(&box->mutex, NULL);
	box->frames.end = &box->frames.first;
	box->letters.end = &box->letters.first;
	return 0;
}

struct relay_mail *relay_mail_create(enum relay_mail_kind kind, size_t len)
{
	struct relay_mail *mail = malloc(sizeof(*mail) + len);

	if (!mail)
		return NULL;
	*mail = (struct relay_mail){.kind = kind, .len = len};
	return mail;
}

void relay_mail_free(struct relay_mail *mail)
{
	if (!mail->lent)
		free(mail);
}

/* A client that nobody takes is told so. */
static void discard(struct relay_mail *mail)
{
	if (mail->kind == RELAY_MAIL_CLIENT)
		host_socket_reset(mail->fd);
	relay_mail_free(mail);
}

static bool is_empty(const struct relay_mailbox *box)
{
	return !box->frames.first && !box->letters.first;
}

static void append(struct relay_mail_queue *queue, struct relay_mail *mail)
{
	mail->next = NULL;
	*queue->end = mail;
	queue->end = &mail->next;
}

static size_t cost(const struct relay_mail *mail)
{
	return mail->lent ? 0 : sizeof(*mail) + mail->len;
}

/* A capture keeps out none of the packets that it shows. */
static bool has_room(const struct relay_mailbox *box, const struct relay_mail *mail)
{
	size_t most = mail->kind == RELAY_MAIL_SHOWN ? RELAY_MAILBOX_BYTES / 2
						     : RELAY_MAILBOX_BYTES;

	return mail->lent || box->bytes + cost(mail) <= most;
}

bool relay_mailbox_put(struct relay_mailbox *box, struct relay_mail *mail)
{
	bool fits, was_empty;

	pthread_mutex_lock(&box->mutex);
	fits = has_room(box, mail);
	was_empty = is_empty(box);
	if (fits) {
		box->bytes += cost(mail);
		if (mail->kind == RELAY_MAIL_FRAME)
			atomic_fetch_add(&box->frame_count, 1);
		append(mail->kind == RELAY_MAIL_FRAME ? &box->frames : &box->letters, mail);
		if (was_empty)
			eventfd_write(box->fd, 1);
	}
	pthread_mutex_unlock(&box->mutex);
	if (fits)
		return true;
	atomic_fetch_add(&box->lost, 1);
	discard(mail);
	return false;
}

static struct relay_mail *take(struct relay_mailbox *box, struct relay_mail_queue *queue)
{
	struct relay_mail *mail;
	eventfd_t count;

	pthread_mutex_lock(&box->mutex);
	mail = queue->first;
	if (mail) {
		queue->first = mail->next;
		if (!queue->first)
			queue->end = &queue->first;
		box->bytes -= cost(mail);
		if (mail->kind == RELAY_MAIL_FRAME)
			atomic_fetch_sub(&box->frame_count, 1);
		if (is_empty(box))
			eventfd_read(box->fd, &count);
	}
	pthread_mutex_unlock(&box->mutex);
	return mail;
}

struct relay_mail *relay_mailbox_take_frame(struct relay_mailbox *box)
{
	if (atomic_load_explicit(&box->frame_count, memory_order_relaxed) == 0)
		return NULL;
	return take(box, &box->frames);
}

struct relay_mail *relay_mailbox_take_letter(struct relay_mailbox *box)
{
	return take(box, &box->letters);
}

void relay_mailbox_close(struct relay_mailbox *box)
{
	struct relay_mail *mail;

	while ((mail = relay_mailbox_take_letter(box)) || (mail = relay_mailbox_take_frame(box)))
		discard(mail);
	pthread_mutex_destroy(&box->mutex);
	close(box->fd);
}
