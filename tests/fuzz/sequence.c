/* SPDX-License-Identifier: MIT */

/*
 * Packets, time, calls and errors in any order, played to a stack that listens, connects and
 * forwards. Frames are built against the numbers of the flows that there are, with right checksums.
 * After each action the stack is audited; in the end all memory is given back, before which there may
 * be a long quiet: then every flow must be gone, and somebody ordinary is served.
 */

#include "sequence.h"

#include "../hostile/storm.h"
#include "fuzz.h"

enum {
	/* Frames that one action may lay onto the link. */
	FRAMES_PER_ACTION = 16,
};

/* The first record: the link, and bounds that are soon reached. */
static void open_stage(struct stage *stage, const struct sequence_record *record, size_t count)
{
	static const uint32_t mtus[] = {1500, 1280, 9000, 65520};
	static const uint32_t receives[] = {65536, 4096, 300000};
	const uint8_t *arg = record->arg;
	const struct stage_setup setup = {
		.seed = record->action,
		.features = arg[0] & 7,
		.mtu = mtus[arg[1] & 3],
		.plain = arg[2] & 1,
		.keepalive = 60,
		.newreno = arg[2] & 2,
		.max_flows = arg[2] & 4 ? 12 : 48,
		.max_half_open = arg[2] & 8 ? 4 : 16,
		.max_receive = receives[arg[3] % 3],
		.max_send = arg[2] & 16 ? 4096 : 65536,
		.max_fragments = arg[2] & 32 ? 8192 : 100000,
		.pool_limit = arg[2] & 64 ? 64 << 10 : 2 << 20,
		/* Each frame may bring about an answer, and an application may write beside it. */
		.events = 3 * FRAMES_PER_ACTION * count,
	};

	stage_open(stage, &setup);
	stage->keep_out = false;
}

static void play(struct stage *stage, const struct sequence_record *record)
{
	if (record->action % SEQUENCE_BURST % SEQUENCE_ACTIONS < SEQUENCE_TIME)
		sequence_frame(stage, record);
	else
		sequence_call(stage, record);
	if (record->action & SEQUENCE_BURST)
		return;
	stage_run(stage);
	storm_audit(stage);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct stage stage;
	struct sequence_record record;
	size_t count = size / SEQUENCE_RECORD;
	bool calm;

	if (count == 0)
		return 0;
	if (count > SEQUENCE_RECORDS)
		count = SEQUENCE_RECORDS;
	/* A finding ends the process, where it is. */
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	memcpy(&record, data, sizeof(record));
	/* The quiet at the end costs as much as all before: three in four end in the middle of everything. */
	calm = record.arg[4] % 4 == 0;
	open_stage(&stage, &record, count);
	for (size_t i = 1; i < count; i++) {
		memcpy(&record, data + i * SEQUENCE_RECORD, sizeof(record));
		play(&stage, &record);
	}
	stage_run(&stage);
	if (calm)
		storm_calm(&stage);
	stage_close(&stage);
	return 0;
}
