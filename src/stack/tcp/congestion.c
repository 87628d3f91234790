/* SPDX-License-Identifier: MIT */
#include "stack/tcp/congestion.h"

#include <stddef.h>
#include <string.h>

enum {
	CSS_GROWTH_DIVISOR = 4 /* RFC 9406 section 4.3 */
};

/* No window need ever be larger than the largest that TCP can offer (RFC 7323 section 2.2). */
static const uint32_t cwnd_max = 1u << 30;

const struct cothon_congestion_ops *cothon_congestion_find(const char *name)
{
	static const struct cothon_congestion_ops *const all[] = {&cothon_cubic, &cothon_newreno};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		if (strcmp(all[i]->name, name) == 0)
			return all[i];
	}
	return NULL;
}

uint32_t cothon_congestion_initial_window(uint32_t mss)
{
	uint32_t two = 2 * mss > 14600 ? 2 * mss : 14600;

	return 10 * mss < two ? 10 * mss : two;
}

void cothon_congestion_init(struct cothon_congestion *cc, const struct cothon_congestion_ops *ops,
			    uint32_t mss)
{
	*cc = (struct cothon_congestion){
		.ops = ops,
		.cwnd = cothon_congestion_initial_window(mss),
		.ssthresh = UINT32_MAX,
		.mss = mss,
	};
	cothon_hystart_init(&cc->hystart);
	ops->init(cc);
}

void cothon_congestion_restart(struct cothon_congestion *cc, uint64_t idle)
{
	uint32_t initial = cothon_congestion_initial_window(cc->mss);

	if (cc->cwnd > initial)
		cc->cwnd = initial;
	if (cc->ops->idle)
		cc->ops->idle(cc, idle);
}

uint32_t cothon_congestion_slow_start(struct cothon_congestion *cc, uint32_t acked)
{
	uint32_t room = cc->ssthresh - cc->cwnd;
	uint32_t grow = acked < room ? acked : room;

	if (cc->hystart.css && cc->ssthresh == UINT32_MAX) {
		cc->cwnd += grow / CSS_GROWTH_DIVISOR;
		return 0;
	}
	if (cc->cwnd < cwnd_max)
		cc->cwnd += grow;
	return acked - grow;
}
