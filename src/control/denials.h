/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_DENIALS_H
#define CONTROL_DENIALS_H

/* Why something was not let through, as its word in JSON: "rule", "none", "nature", "rebinding". */

#include "relay/relay.h"

/* The enum relay_denied_by of a word, or -EINVAL. */
int control_denial_reason(const char *word);
/* The word of a reason. */
const char *control_denial_word(enum relay_denied_by by);

#endif
