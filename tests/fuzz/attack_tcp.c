// SPDX-License-Identifier: BSD-2-Clause
/* attack_tcp.c - see attack.h. */
#include "tests/fuzz/attack.h"

#include <string.h>
#include <sys/socket.h>

#include "rdma_backend/tcp/tcp.h"
#include "rdma_backend/tcp/tcp_wire.h"

void attack_tcp(struct wsd_endpoint *own, const uint8_t *bytes, size_t size)
{
	/* With its own numbers: another frame would be thrown out for these before the rest is looked at. */
	struct tcp_frame frame = { .type = TCP_FRAME_CREDIT,
				   .credit = own->rx_posted,
				   .ack = own->rx_works };
	uint8_t head[TCP_HEADER_BYTES];

	if (own->source.fd < 0 || size < 1)
		return;
	/* A header that is one, with some of its bytes exchanged, or plain garbage. */
	tcp_frame_encode(&frame, head);
	if (bytes[0] & 1) {
		for (size_t i = 1; i + 1 < size && i < 2 * sizeof(head); i += 2)
			head[bytes[i] % sizeof(head)] = bytes[i + 1];
		head[0] = (uint8_t)(1 + bytes[0] / 2 % 12);
		(void)send(own->source.fd, head, sizeof(head), MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	(void)send(own->source.fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}
