/* SPDX-License-Identifier: MIT */
#ifndef RELAY_REASON_H
#define RELAY_REASON_H

/* What an error of a host's socket means in ICMP. */

#include "host/socket.h"
#include <cothon/stack.h>

/*
 * The reason that an ICMP message from outside gave. Returns false for those that are no concern of
 * the sandbox (and for errors that are not ICMP's).
 */
bool relay_reason_of_icmp(const struct host_socket_error *error, enum cothon_unreachable *reason);
/*
 * The reason that the host itself gave, as a negative errno. Returns false for those that say
 * nothing of the way.
 */
bool relay_reason_of_errno(int error, enum cothon_unreachable *reason);

#endif
