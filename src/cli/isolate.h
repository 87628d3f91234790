/* SPDX-License-Identifier: MIT */
#ifndef CLI_ISOLATE_H
#define CLI_ISOLATE_H

struct relay;

/*
 * The engine gives up its rights, when all that needs them has been made and before a command runs; the threads of
 * `relay`, if that is not NULL, start. `name` is for the message where it is refused. Returns 0, or a negative
 * errno, and it was said why.
 */
int cli_isolate(const char *name, struct relay *relay);

#endif
