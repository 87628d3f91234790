/* SPDX-License-Identifier: MIT */
#ifndef SANDBOX_INSPECT_H
#define SANDBOX_INSPECT_H

/* Looks at the sandbox from inside: which sockets there are, and who holds them. */

#include "sandbox/inspection.h"

/*
 * Lists the sockets of the caller's network namespace and the processes that hold them. `proc` is a
 * descriptor of a proc file system that shows the caller; of what it shows, only processes count
 * that the caller may look at. The result is the caller's, to be given up with
 * sandbox_inspection_free(). Returns 0, -ENOMEM, or the errno of what was refused.
 */
int sandbox_inspect_here(int proc, struct sandbox_inspection **inspection);

#endif
