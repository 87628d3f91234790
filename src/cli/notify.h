/* SPDX-License-Identifier: MIT */
#ifndef CLI_NOTIFY_H
#define CLI_NOTIFY_H

/*
 * Tells the manager of services that has started this process how it is, as sd_notify(3) describes it: a datagram to
 * the socket that $NOTIFY_SOCKET names. Without one nothing is done. `state` is "READY=1", "STOPPING=1" and the like.
 */
void cli_notify(const char *state);

#endif
