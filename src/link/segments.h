/* SPDX-License-Identifier: MIT */
#ifndef LINK_SEGMENTS_H
#define LINK_SEGMENTS_H

/*
 * The packets that a frame stands for, as a device would put them on the wire: cut to their size, each
 * with its own lengths and complete checksums.
 */

#include <cothon/addr.h>
#include <cothon/link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
	/* Bytes of headers that are understood; what has more of them is left as it is. */
	COTHON_SEGMENT_HEAD = 256,
	/* Bytes of payload per packet below which nothing is cut: TCP's smallest MSS in use is 48. */
	COTHON_SEGMENT_MIN = 32,
};

/* A frame, and where its walk is. */
struct cothon_segments {
	const struct iovec *iov;
	unsigned count;
	size_t len;
	struct cothon_offload offload;

	/* What is known of it: false for what is no IP packet. */
	bool known;
	uint8_t version, protocol;
	bool ports; /* it has TCP's or UDP's, which fragments behind the first have not */
	struct cothon_endpoint source, destination;

	uint8_t head[COTHON_SEGMENT_HEAD]; /* how it begins */
	size_t head_len;
	size_t transport_at, payload_at;
	size_t at; /* the first byte of payload that was not given yet */
	unsigned given;
	/* As the whole frame has them. */
	uint32_t seq;
	uint8_t flags;
};

/* One packet, gathered from pieces. */
struct cothon_segment {
	struct iovec iov[COTHON_FRAME_IOV + 1];
	unsigned count;
	size_t len;
};

/*
 * Looks at a frame of at most COTHON_FRAME_IOV pieces, which stay as they are during the walk.
 */
void cothon_segments_begin(struct cothon_segments *segments, const struct iovec *iov,
			   unsigned count, size_t len, const struct cothon_offload *offload);
/*
 * The next packet, until it returns false; its pieces are valid until the next call. A frame that is
 * not what its offload says, or would be cut into pieces that are too small, is one packet as it is.
 */
bool cothon_segments_next(struct cothon_segments *segments, struct cothon_segment *segment);

#endif
