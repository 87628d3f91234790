/* SPDX-License-Identifier: MIT */
#ifndef COTHON_LINK_H
#define COTHON_LINK_H

/*
 * A link is where packets enter and leave a stack. Frames are bare IP packets, up to
 * COTHON_FRAME_MAX bytes; what they leave to the far side of the link is said by cothon_offload.
 */

#include <cothon/buf.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
	/*
	 * Entries of a frame's vector: the first is for the link's own header, the second for the packet's
	 * headers, the rest for payload.
	 */
	COTHON_FRAME_IOV = 20,
};

/* A packet on its way out: gathered from pieces that stay the stack's. */
struct cothon_frame {
	struct iovec iov[COTHON_FRAME_IOV];
	/* Entries used; iov[0] is the link's and is not part of the packet. */
	unsigned count;
	/* Bytes of the packet: the sum of iov[1 .. count). */
	size_t len;
	struct cothon_offload offload;
};

/* What the far side of a link does for us. */
enum cothon_link_feature {
	COTHON_LINK_CSUM = 1 << 0, /* completes checksums */
	COTHON_LINK_TSO = 1 << 1,  /* cuts TCP segments, both families */
	COTHON_LINK_USO = 1 << 2,  /* cuts UDP datagrams, both families */
};

struct cothon_link;

struct cothon_link_ops {
	/*
	 * Sends one frame. The frame's pieces are read before it returns, and iov[0] may be
	 * overwritten. Returns 0, -EAGAIN when the link takes nothing now (the stack keeps the packet if
	 * its protocol does), or another negative errno when the frame was lost.
	 */
	int (*transmit)(struct cothon_link *link, struct cothon_frame *frame);
	/*
	 * Takes the next frame that has arrived into a buffer of `pool`, checked as far as the link's own
	 * header goes, and gives it to the caller. Returns 0, -EAGAIN when none is there, -ENOMEM,
	 * -EBADMSG when one was there but its link header lied (it is gone), -EALREADY when one was there
	 * that the link itself has dealt with (as a hub does), or the device's errno.
	 */
	int (*receive)(struct cothon_link *link, struct cothon_pool *pool, struct cothon_buf **buf);
	/* Ends the link and frees it. */
	void (*close)(struct cothon_link *link);
};

/* Looks on at what passes a link, as cothon/capture.h does. */
struct cothon_tap {
	/*
	 * A frame was transmitted, or received: `len` bytes in `count` pieces, valid during the call
	 * only.
	 */
	void (*seen)(struct cothon_tap *tap, bool received, const struct iovec *iov, unsigned count,
		     size_t len, const struct cothon_offload *offload);
};

/* The head of every link. */
struct cothon_link {
	const struct cothon_link_ops *ops;
	/* The largest packet in bytes when no GSO is used: 1280 to 65535. */
	uint32_t mtu;
	/* COTHON_LINK_* */
	unsigned features;
	/* NULL: nobody looks on. May be set and cleared at any time, but by `seen` of another. */
	struct cothon_tap *tap;
};

/* Shows a frame to the tap, which there is. */
void cothon_link_show_transmitted(const struct cothon_link *link, const struct cothon_frame *frame);
void cothon_link_show_received(const struct cothon_link *link, const struct cothon_buf *buf);

static inline int cothon_link_transmit(struct cothon_link *link, struct cothon_frame *frame)
{
	int error = link->ops->transmit(link, frame);

	if (__builtin_expect(link->tap != NULL, 0) && error == 0)
		cothon_link_show_transmitted(link, frame);
	return error;
}

static inline int cothon_link_receive(struct cothon_link *link, struct cothon_pool *pool,
				      struct cothon_buf **buf)
{
	int error = link->ops->receive(link, pool, buf);

	if (__builtin_expect(link->tap != NULL, 0) && error == 0)
		cothon_link_show_received(link, *buf);
	return error;
}

static inline void cothon_link_close(struct cothon_link *link)
{
	link->ops->close(link);
}

/*
 * A link over an open TUN device (IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, see tun.rst of the kernel's
 * documentation), set non-blocking. The offloads asked for are those that the kernel grants, most
 * first (USO needs Linux 6.2). `fd` stays the caller's to poll; the link closes it. Returns 0; -EINVAL
 * when mtu is out of range; or the errno of the ioctl that failed.
 */
int cothon_tun_open(int fd, uint32_t mtu, struct cothon_link **link);

/*
 * Two links joined by a wire in memory: what one transmits, the other receives, in order, at once,
 * whole. Each direction holds at most `queue` frames; beyond that transmit returns -EAGAIN. `features`
 * (COTHON_LINK_*) may be given so that offloaded frames cross as they are. `pool` holds frames under way
 * and must outlive both links; frames are moved into the receiver's pool by copy. Returns 0 or -ENOMEM.
 */
int cothon_wire_open(const struct cothon_memory *memory, struct cothon_pool *pool, uint32_t mtu,
		     unsigned features, unsigned queue, struct cothon_link *ends[static 2]);

/*
 * What becomes of frames on an impaired link. Chances are of a million, for each frame, and
 * independent of each other; times are microseconds.
 */
struct cothon_impairment {
	uint32_t loss;
	/*
	 * Loss in bursts (Gilbert 1960, Elliott 1963): the chances that one begins, that it ends,
	 * and that a frame is lost while it lasts.
	 */
	uint32_t burst_begin, burst_end, burst_loss;
	uint32_t duplicate;
	/* Packets that say that they may be are marked for congestion (CE, RFC 3168 section 5). */
	uint32_t mark;
	/* Frames are held back by `reorder_delay`, so that later ones overtake them. */
	uint32_t reorder;
	/* One bit of the frame is turned, unless its checksum is left to the link and cannot tell. */
	uint32_t damage;
	/*
	 * The way takes `delay` and at most `jitter` more; jitter alone lets no frame overtake another.
	 */
	uint64_t delay, jitter, reorder_delay;
	uint64_t rate;  /* bytes per second; 0: all at once */
	uint64_t queue; /* bytes that may wait for the rate, beyond which frames are lost; 0: any */
	uint32_t black_hole; /* packets of more bytes vanish; 0: none do */
	bool down;           /* everything that is sent is lost */
};

enum {
	COTHON_IMPAIR_SEED_LEN = 32,
	/* Bytes of frames under way on an impaired link, beyond which frames are lost. */
	COTHON_IMPAIR_HELD_MAX = 64 << 20,
};

struct cothon_impair_config {
	struct cothon_memory memory;
	struct cothon_link *link; /* becomes the impaired link's, which closes it */
	/* Of the features of `link`, those that the impaired link has too. */
	unsigned features;
	/* The same seed does the same to the same frames at the same times. */
	uint8_t seed[COTHON_IMPAIR_SEED_LEN];
	uint64_t now;
	struct cothon_impairment impairment;
};

/*
 * A link around another one: what it transmits is lost, held back, doubled and spoilt on its way to
 * `link`; what arrives there it receives as it is, so that a connection impaired both ways has one such
 * link at each end. It has no clock: cothon_impair_run() tells it the time. Transmitting returns 0 also
 * for what is lost, or -ENOMEM. A frame that `link` does not take when its time has come is lost.
 * Returns 0 or -ENOMEM.
 */
int cothon_impair_open(const struct cothon_impair_config *config, struct cothon_link **impaired);
/* Changes what becomes of the frames that are transmitted from now on. */
void cothon_impair_set(struct cothon_link *impaired, const struct cothon_impairment *impairment);
/*
 * It is `now`: hands on the frames that are due, and takes frames to be transmitted now. Returns when
 * the next one is due, UINT64_MAX when none is under way.
 */
uint64_t cothon_impair_run(struct cothon_link *impaired, uint64_t now);
/* When the next frame is due, as cothon_impair_run() says it. */
uint64_t cothon_impair_due(const struct cothon_link *impaired);

#endif
