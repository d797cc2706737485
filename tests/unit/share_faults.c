// SPDX-License-Identifier: BSD-2-Clause
/* share_faults.c - see share_faults.h. */
#include "tests/unit/share_faults.h"

#include <stdatomic.h>

#include "provider/transport/os_pass.h"
#include "provider/transport/os_port.h"
#include "provider/transport/os_tcp.h"

static atomic_int fault;
static atomic_uint faults;
static intptr_t wrong_one;
static bool wrong_listens;

enum wsd_status __real_wsd_os_pass_give(intptr_t socket, uint8_t tag, const uint8_t *name,
					uint32_t process, void *letter);
enum wsd_status __wrap_wsd_os_pass_give(intptr_t socket, uint8_t tag, const uint8_t *name,
					uint32_t process, void *letter);
enum wsd_status __real_wsd_os_pass_take(intptr_t box, const void *letter, uint8_t *tag,
					intptr_t *socket);
enum wsd_status __wrap_wsd_os_pass_take(intptr_t box, const void *letter, uint8_t *tag,
					intptr_t *socket);
enum wsd_status __real_wsd_os_pass_twin(intptr_t socket, intptr_t *twin);
enum wsd_status __wrap_wsd_os_pass_twin(intptr_t socket, intptr_t *twin);

void share_faults_set(enum share_fault which, unsigned often)
{
	atomic_store(&faults, often);
	atomic_store(&fault, (int)which);
}

unsigned share_faults_left(void)
{
	return atomic_load(&faults);
}

bool share_wrong_one_make(bool listens)
{
	const struct wsd_addr any = { .family = WSD_FAMILY_IPV4, .bytes = { 127, 0, 0, 1 } };
	uint16_t port;

	wrong_listens = listens;
	return wsd_os_port_hold(&any, WSD_PORT_DEFAULT, &wrong_one, &port) == WSD_OK &&
	       (!listens || wsd_os_tcp_listen(wrong_one, 1) == WSD_OK);
}

bool share_wrong_one_drop(void)
{
	struct wsd_addr remote;
	intptr_t visitor;
	bool nobody =
		!wrong_listens || wsd_os_tcp_accept(wrong_one, &visitor, &remote) == WSD_AGAIN;

	wsd_os_tcp_close(wrong_one);
	return nobody;
}

static bool fails(enum share_fault now)
{
	if ((enum share_fault)atomic_load(&fault) != now || atomic_load(&faults) == 0)
		return false;
	atomic_fetch_sub(&faults, 1);
	return true;
}

enum wsd_status __wrap_wsd_os_pass_give(intptr_t socket, uint8_t tag, const uint8_t *name,
					uint32_t process, void *letter)
{
	if (fails(FULL_BOX))
		return WSD_AGAIN;
	if (fails(LOST)) /* it has died on the way */
		return WSD_OK;
	if (fails(WRONG_SOCKET) || fails(NOT_LISTENING))
		socket = wrong_one;
	return __real_wsd_os_pass_give(socket, tag, name, process, letter);
}

enum wsd_status __wrap_wsd_os_pass_take(intptr_t box, const void *letter, uint8_t *tag,
					intptr_t *socket)
{
	enum wsd_status status = __real_wsd_os_pass_take(box, letter, tag, socket);

	if (status == WSD_OK && fails(NO_DESCRIPTORS)) {
		wsd_os_tcp_close(*socket);
		return WSD_ENOFILES;
	}
	return status;
}

enum wsd_status __wrap_wsd_os_pass_twin(intptr_t socket, intptr_t *twin)
{
	return fails(NO_TWIN) ? WSD_ENOFILES : __real_wsd_os_pass_twin(socket, twin);
}
