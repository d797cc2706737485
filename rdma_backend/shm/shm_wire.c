// SPDX-License-Identifier: BSD-2-Clause
/* shm_wire.c - what two processes tell each other: messages, addresses in them, the peer's mailbox. */

#include <stdio.h>
#include <string.h>

#include "rdma_backend/shm/shm_internal.h"

bool shm_hello_valid(const union shm_packet *packet, size_t length, uint16_t type)
{
	return length == sizeof(packet->hello) && packet->head.magic == SHM_MAGIC &&
	       packet->head.version == SHM_VERSION && packet->head.type == type &&
	       packet->hello.data_length <= WSD_REPLY_DATA_MAX;
}

void shm_addr_to_wire(struct shm_wire_addr *wire, const struct wsd_addr *addr)
{
	wire->family = addr->family;
	wire->port = addr->port;
	wire->scope = addr->scope;
	memcpy(wire->bytes, addr->bytes, sizeof(wire->bytes));
}

void shm_addr_from_wire(struct wsd_addr *addr, const struct shm_wire_addr *wire)
{
	addr->family = wire->family;
	addr->port = wire->port;
	addr->scope = wire->scope;
	memcpy(addr->bytes, wire->bytes, sizeof(addr->bytes));
}

bool shm_address_is_group(const struct wsd_addr *addr)
{
	return addr->family == WSD_FAMILY_IPV4 ? (addr->bytes[0] & 0xf0) == 0xe0
					       : addr->bytes[0] == 0xff;
}

bool shm_address_is_any(const struct wsd_addr *addr)
{
	static const uint8_t zero[16];

	return memcmp(addr->bytes, zero, sizeof(zero)) == 0;
}

/* Of every listener of this user: openwsd.shm.<user>.<family>.<address>-<scope>.<port>. */
void shm_name_make(char *name, size_t size, const char *user, const struct wsd_addr *addr)
{
	unsigned bytes = addr->family == WSD_FAMILY_IPV6 ? 16 : 4, i;
	char hex[33];

	for (i = 0; i < bytes; i++)
		snprintf(hex + 2 * i, 3, "%02x", addr->bytes[i]);
	snprintf(name, size, "openwsd.shm.%s.%u.%s-%u.%u", user, addr->family, hex,
		 (unsigned)addr->scope, addr->port);
}

/* A peer that waits for our answer still has it. */
enum wsd_status shm_share_expect(shm_share share, size_t length, void **address)
{
	enum wsd_status status = shm_share_attach(share, length, address);

	return status == WSD_NOTFOUND ? WSD_ERESET : status;
}

enum wsd_status shm_mailbox_attach(struct shm_mailbox *mailbox, shm_share share)
{
	enum wsd_status status;
	void *address;

	status = shm_share_expect(share, SHM_INBOX_BYTES, &address);
	if (status)
		return status;
	status = shm_bell_open(share, &mailbox->bell);
	if (status) {
		wsd_shared_unmap(address, SHM_INBOX_BYTES);
		return status == WSD_NOTFOUND ? WSD_ERESET : status;
	}
	mailbox->inbox = address;
	return WSD_OK;
}

void shm_mailbox_detach(struct shm_mailbox *mailbox)
{
	if (!mailbox->inbox)
		return;
	wsd_shared_unmap(mailbox->inbox, SHM_INBOX_BYTES);
	shm_bell_close(mailbox->bell);
	mailbox->inbox = NULL;
}

void shm_mailbox_move(struct shm_mailbox *to, struct shm_mailbox *from)
{
	*to = *from;
	from->inbox = NULL;
}
