/* SPDX-License-Identifier: MIT */
#ifndef COTHON_H
#define COTHON_H

/* All of libcothon. */

#include <cothon/addr.h>
#include <cothon/buf.h>
#include <cothon/capture.h>
#include <cothon/host.h>
#include <cothon/hub.h>
#include <cothon/link.h>
#include <cothon/rule.h>
#include <cothon/service.h>
#include <cothon/stack.h>
#include <cothon/tcp.h>
#include <cothon/udp.h>

#endif
