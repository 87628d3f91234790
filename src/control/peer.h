/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_PEER_H
#define CONTROL_PEER_H

#include <stdbool.h>

/*
 * Whether who connected a Unix socket may be answered: the user of this process, or root, from a
 * process that is in no user namespace below this one, as those in the sandbox are. Looks into
 * /proc.
 */
bool control_peer_is_allowed(int fd);

#endif
