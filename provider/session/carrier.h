/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * carrier.h - what carries the bytes of a stream: messages over a connection of a backend
 * (message_carrier), or, on the path "plain", a TCP connection of the system (plain_carrier). It is chosen with
 * the path, under the owner's lock, and everything above sees only the functions of stream.h.
 */
#ifndef WSD_SESSION_CARRIER_H
#define WSD_SESSION_CARRIER_H

#include "provider/session/stream.h"
#include "provider/transport/engine.h"

struct wsd_carrier {
	/* By the engine's owner, the stream's lock held. */
	void (*events)(struct wsd_stream *stream, const struct wsd_event *events, uint32_t count);
	void (*timer)(struct wsd_stream *stream, uint64_t now);
	void (*progress)(struct wsd_stream *stream); /* of closing, after tasks */
	void (*drop)(struct wsd_stream *stream);     /* give everything back */
	/* [lock] The rest. broken: the stream has just become RESET with this error. */
	void (*broken)(struct wsd_stream *stream, enum wsd_status error);
	void (*close)(struct wsd_stream *stream, bool abort, uint64_t linger);
	/* As the functions of stream.h. */
	void (*watch)(struct wsd_stream *stream);
	enum wsd_status (*read)(struct wsd_stream *stream, const struct wsd_iovec *iov,
				unsigned count, unsigned flags, struct wsd_direct *direct,
				size_t *bytes);
	size_t (*readable)(const struct wsd_stream *stream);
	bool (*at_end)(const struct wsd_stream *stream);
	enum wsd_status (*write)(struct wsd_stream *stream, const struct wsd_iovec *iov,
				 unsigned count, unsigned flags, size_t *bytes);
	bool (*writable)(const struct wsd_stream *stream);
	bool (*asks)(const struct wsd_stream *stream);
	enum wsd_status (*write_urgent)(struct wsd_stream *stream, uint8_t byte);
	enum wsd_status (*read_urgent)(struct wsd_stream *stream, bool peek, uint8_t *byte);
	void (*set_urgent_inline)(struct wsd_stream *stream, bool inline_mode);
	bool (*urgent_pending)(const struct wsd_stream *stream);
	bool (*at_mark)(const struct wsd_stream *stream);
	bool (*mark_here)(const struct wsd_stream *stream);
	enum wsd_status (*shutdown_send)(struct wsd_stream *stream);
	void (*shutdown_receive)(struct wsd_stream *stream);
	bool (*flushed)(const struct wsd_stream *stream);
	void (*set_keepalive)(struct wsd_stream *stream, uint64_t idle, uint64_t interval,
			      unsigned count);
	void (*set_receive_buffer)(struct wsd_stream *stream, uint32_t bytes);
	void (*set_nodelay)(struct wsd_stream *stream, bool on);
	void (*set_hops)(struct wsd_stream *stream, uint8_t hops);
};

extern const struct wsd_carrier wsd_message_carrier;
extern const struct wsd_carrier wsd_plain_carrier;

/* rx.c, tx.c, urgent.c, close.c, ring.c, stream.c: those of the messages. */
enum wsd_status wsd_message_read(struct wsd_stream *stream, const struct wsd_iovec *iov,
				 unsigned count, unsigned flags, struct wsd_direct *direct,
				 size_t *bytes);
size_t wsd_message_readable(const struct wsd_stream *stream);
bool wsd_message_at_end(const struct wsd_stream *stream);
enum wsd_status wsd_message_write(struct wsd_stream *stream, const struct wsd_iovec *iov,
				  unsigned count, unsigned flags, size_t *bytes);
bool wsd_message_writable(const struct wsd_stream *stream);
void wsd_message_watch(struct wsd_stream *stream);
enum wsd_status wsd_message_write_urgent(struct wsd_stream *stream, uint8_t byte);
enum wsd_status wsd_message_read_urgent(struct wsd_stream *stream, bool peek, uint8_t *byte);
void wsd_message_set_urgent_inline(struct wsd_stream *stream, bool inline_mode);
bool wsd_message_urgent_pending(const struct wsd_stream *stream);
bool wsd_message_at_mark(const struct wsd_stream *stream);
bool wsd_message_mark_here(const struct wsd_stream *stream);
enum wsd_status wsd_message_shutdown_send(struct wsd_stream *stream);
void wsd_message_shutdown_receive(struct wsd_stream *stream);
bool wsd_message_flushed(const struct wsd_stream *stream);
void wsd_message_set_keepalive(struct wsd_stream *stream, uint64_t idle, uint64_t interval,
			       unsigned count);
void wsd_message_set_receive_buffer(struct wsd_stream *stream, uint32_t bytes);
void wsd_message_events(struct wsd_stream *stream, const struct wsd_event *events, uint32_t count);
void wsd_message_drop(struct wsd_stream *stream);
void wsd_message_broken(struct wsd_stream *stream, enum wsd_status error);
void wsd_message_close(struct wsd_stream *stream, bool abort, uint64_t linger);

#endif
