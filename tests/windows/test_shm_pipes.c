// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_shm_pipes.c - the shm backend against processes of the same user that mean harm, on pipes and with the names
 * of other things than memory, as tests/unit/test_shm_hostile.c does it with sockets and descriptors. The
 * connection that was hit may end; nobody crashes or waits for ever, and others do not notice.
 */

#include "tests/lib/test.h"

#include "rdma_backend/shm/shm_windows.h"

#include <aclapi.h>
#include <process.h>

#include "rdma_backend/base/base.h"
#include "tests/unit/test_shm.h"
#include "tests/windows/test_shm_things.h"

static shm_channel raw_connect(void)
{
	struct wsd_addr addr = world_addr(shm_port);
	enum wsd_status status = WSD_AGAIN;
	shm_channel channel;

	for (unsigned i = 0; i < 500 && status == WSD_AGAIN; i++) {
		status = shm_os_connect(&addr, &channel);
		if (status == WSD_AGAIN)
			Sleep(10);
	}
	assert_int_equal(status, WSD_OK);
	return channel;
}

/* What the server says to a request that it must refuse; WSD_EOF: it hangs up. */
static int32_t raw_request(const void *hello, size_t length, const shm_share *shares,
			   unsigned count)
{
	shm_channel channel = raw_connect();
	struct shm_envelope answer = { 0 };
	int32_t status = WSD_EOF;
	DWORD got = 0;

	assert_int_equal(shm_os_send(channel, hello, length, shares, count), WSD_OK);
	memset(&channel->read, 0, sizeof(channel->read));
	if (!ReadFile(channel->handle, &answer, sizeof(answer), NULL, &channel->read) &&
	    GetLastError() != ERROR_IO_PENDING)
		got = 0;
	else
		GetOverlappedResult(channel->handle, &channel->read, &got, TRUE);
	if (got) {
		status = answer.packet.head.type == SHM_MSG_REJECT ? answer.packet.hello.status
								   : WSD_OK;
	}
	shm_os_close(&channel);
	return status;
}

static void test_bad_requests(void **state)
{
	struct shm_msg_hello hello = shm_good_hello;
	shm_share shares[2] = { shm_queue->inbox_share, shm_queue->inbox_share };
	struct end *end = shm_connected();

	(void)state;
	assert_int_equal(raw_request(&hello, sizeof(hello), shares, 2), WSD_EPROTOCOL); /* length */
	assert_int_equal(raw_request(&hello, sizeof(hello), shares, 1), WSD_ENOFILES);
	shm_check_bad_hellos(raw_request, shares);
	shm_exchange(end, "still there");
	end_free(end);
}

static void test_names(void **state)
{
	struct end *end = shm_connected();
	struct shm_layout layout;
	HANDLE handle, file;
	shm_share shares[2];

	(void)state;
	assert_true(shm_layout_make(&layout, 4, 64));
	for (unsigned what = 0; what < THINGS; what++) {
		shares[0] = shm_queue->inbox_share;
		shares[1] = thing_make((enum thing)what, layout.length, &handle, &file);
		if (raw_request(&shm_good_hello, sizeof(shm_good_hello), shares, 2) >= 0)
			fail_msg("thing %u as segment", what);
		thing_drop(&shares[1], handle, file);
		shares[0] = thing_make((enum thing)what, SHM_INBOX_BYTES, &handle, &file);
		shares[1] = shm_queue->inbox_share;
		if (raw_request(&shm_good_hello, sizeof(shm_good_hello), shares, 2) >= 0)
			fail_msg("thing %u as inbox", what);
		thing_drop(&shares[0], handle, file);
	}
	shm_exchange(end, "unharmed");
	end_free(end);
}

/* On the connection's own link: each ends that connection, but for a name that is gone, which is no lie. */
static void test_bad_memory(void **state)
{
	struct shm_msg_mem message = { .head = { SHM_MAGIC, SHM_VERSION, SHM_MSG_MEM },
				       .key = 77,
				       .access = WSD_ACCESS_REMOTE_WRITE,
				       .length = SHM_PAGE };
	struct end *good = shm_connected(), *bad;
	HANDLE handle, file;
	shm_share share;

	(void)state;
	for (unsigned what = 0; what < THINGS; what++) {
		bad = shm_connected();
		message.index = bad->endpoint->peer_index;
		message.generation = bad->endpoint->peer_generation;
		share = thing_make((enum thing)what, SHM_PAGE, &handle, &file);
		assert_int_equal(shm_os_send(bad->endpoint->link->source.channel, &message,
					     sizeof(message), &share, 1),
				 WSD_OK);
		if (what == NOTHING)
			assert_true(quiet(bad));
		else
			assert_int_not_equal(expect(bad, WSD_EV_DISCONNECTED)->status, WSD_OK);
		thing_drop(&share, handle, file);
		end_free(bad);
	}
	shm_exchange(good, "unharmed");
	end_free(good);
}

static void write_raw(struct end *end, const void *bytes, DWORD length)
{
	struct shm_pipe *pipe = end->endpoint->link->source.channel;
	OVERLAPPED operation = { .hEvent = CreateEventA(NULL, TRUE, FALSE, NULL) };
	DWORD written = 0;

	(void)WriteFile(pipe->handle, bytes, length, NULL, &operation);
	assert_true(GetOverlappedResult(pipe->handle, &operation, &written, TRUE));
	CloseHandle(operation.hEvent);
}

/* Junk on a link hurts its connections and nothing else. */
static void test_bad_link(void **state)
{
	static char longer[sizeof(struct shm_envelope) + 1];
	struct shm_envelope lies = { .length = UINT32_MAX, .count = UINT32_MAX };
	struct {
		const void *bytes;
		DWORD length;
	} junk[] = {
		{ "junk", 4 }, { longer, sizeof(longer) }, { &lies, sizeof(lies) }, { "", 0 }
	};
	struct end *end;

	(void)state;
	for (unsigned i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
		end = shm_connected();
		write_raw(end, junk[i].bytes, junk[i].length);
		assert_int_equal(expect(end, WSD_EV_DISCONNECTED)->status, WSD_ERESET);
		end_free(end);
	}
	end = shm_connected();
	shm_exchange(end, "fine");
	end_free(end);
}

/* Strangers that connect and say nothing hold nobody up. */
static void test_silent(void **state)
{
	enum { STRANGERS = 150 };
	shm_channel channels[STRANGERS];
	struct end *end;

	(void)state;
	for (unsigned i = 0; i < STRANGERS; i++)
		channels[i] = raw_connect();
	end = shm_connected();
	shm_exchange(end, "heard");
	end_free(end);
	for (unsigned i = 0; i < STRANGERS; i++)
		shm_os_close(&channels[i]);
}

static atomic_bool ringing;

static unsigned __stdcall ring(void *bell)
{
	while (atomic_load(&ringing))
		SetEvent(bell);
	return 0;
}

static void test_ringing(void **state)
{
	struct end *end = shm_connected();
	HANDLE thread;

	(void)state;
	atomic_store(&ringing, true);
	thread = (HANDLE)_beginthreadex(NULL, 0, ring, (void *)end->endpoint->link->mailbox.bell, 0,
					NULL);
	for (unsigned i = 0; i < 20; i++)
		shm_exchange(end, "heard");
	atomic_store(&ringing, false);
	WaitForSingleObject(thread, INFINITE);
	CloseHandle(thread);
	end_free(end);
}

static void assert_only_ours(HANDLE handle)
{
	PSECURITY_DESCRIPTOR descriptor;
	ACCESS_ALLOWED_ACE *entry;
	PSID owner;
	PACL list;

	assert_int_equal(GetSecurityInfo(handle, SE_KERNEL_OBJECT,
					 OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
					 &owner, NULL, &list, NULL, &descriptor),
			 ERROR_SUCCESS);
	assert_true(EqualSid(owner, wsd_windows_user()->sid));
	assert_non_null(list); /* NULL: everybody's */
	assert_int_equal(list->AceCount, 1);
	assert_true(GetAce(list, 0, (void **)&entry));
	assert_int_equal(entry->Header.AceType, ACCESS_ALLOWED_ACE_TYPE);
	assert_true(EqualSid(&entry->SidStart, wsd_windows_user()->sid));
	LocalFree(descriptor);
}

/* The first end of a name has it alone, and what is ours, pipes, memory, bells and signs, is nobody else's. */
static void test_rights(void **state)
{
	struct wsd_addr addr = world_addr(shm_port);
	shm_channel channel = raw_connect(), second, listener;
	struct wsd_addr other = world_addr(world_port());

	(void)state;
	assert_int_equal(shm_os_listen(&addr, &second), WSD_EADDRINUSE);
	assert_int_equal(shm_os_listen(&other, &listener), WSD_OK);
	assert_only_ours(channel->handle);
	assert_only_ours(listener->guard);
	assert_only_ours(shm_queue->inbox_share->handle);
	assert_only_ours((HANDLE)wsd_backend_shm.wait_object(shm_queue)); /* the bell, too */
	shm_os_close(&listener);
	shm_os_close(&channel);
}

/* A pipe under a listener's name whose owner is somebody else: not connected to. */
static void test_stranger(void **state)
{
	struct wsd_addr addr = world_addr(world_port()), none = { .family = WSD_FAMILY_NONE };
	struct wsd_windows_user *self = (struct wsd_windows_user *)(uintptr_t)wsd_windows_user();
	BYTE other[SECURITY_MAX_SID_SIZE];
	DWORD size = sizeof(other);
	struct end *end = end_new(shm_queue);
	shm_channel listener;
	PSID user = self->sid;

	(void)state;
	assert_true(CreateWellKnownSid(WinLocalServiceSid, NULL, other, &size));
	assert_int_equal(shm_os_listen(&addr, &listener), WSD_OK);
	self->sid = other; /* whom the pipe is compared with: to us its owner is a stranger */
	assert_int_equal(
		wsd_backend_shm.endpoint_create(shm_queue, NULL, &shm_attr, end, &end->endpoint),
		WSD_OK);
	assert_int_equal(wsd_backend_shm.connect(end->endpoint, &none, &addr, "", 0, 1000000000u),
			 WSD_EUSER);
	self->sid = user;
	shm_os_close(&listener);
	end_free(end);
}

static enum wsd_status connect_end(struct end *end, const struct wsd_addr *addr)
{
	struct wsd_addr none = { .family = WSD_FAMILY_NONE };

	assert_int_equal(
		wsd_backend_shm.endpoint_create(shm_queue, NULL, &shm_attr, end, &end->endpoint),
		WSD_OK);
	return wsd_backend_shm.connect(end->endpoint, &none, addr, "", 0, 5000000000u);
}

/* Its listener closes, a connection lives on. */
static void leave_listener(const struct wsd_addr *addr, shm_channel ends[2])
{
	shm_channel listener;

	assert_int_equal(shm_os_listen(addr, &listener), WSD_OK);
	shm_pipe_start(listener);
	assert_int_equal(shm_os_connect(addr, &ends[0]), WSD_OK);
	assert_int_equal(shm_os_accept(listener, &ends[1]), WSD_OK);
	shm_os_close(&listener);
}

/* Then nobody is found there, but who listens at every address, and who comes next finds the place free. */
static void test_listener_gone(void **state)
{
	struct wsd_addr addr = world_addr(world_port()), any = { .family = WSD_FAMILY_IPV4 };
	struct end *end = end_new(shm_queue), *everywhere = end_new(shm_queue);
	shm_channel ends[2], again[2], late;

	(void)state;
	any.port = addr.port;
	leave_listener(&addr, ends);
	assert_int_equal(shm_os_connect(&addr, &late), WSD_ENOLISTENER);
	assert_int_equal(connect_end(end, &addr), WSD_ENOLISTENER);
	end_free(end);
	leave_listener(&addr, again);
	assert_int_equal(
		wsd_backend_shm.listen(shm_queue, &any, 4, everywhere, &everywhere->listener),
		WSD_OK);
	end = end_new(shm_queue);
	assert_int_equal(connect_end(end, &addr), WSD_OK);
	assert_int_equal(expect(everywhere, WSD_EV_REQUEST)->status, WSD_OK);
	end_free(end);
	end_free(everywhere);
	for (unsigned i = 0; i < 2; i++) {
		shm_os_close(&ends[i]);
		shm_os_close(&again[i]);
	}
}

/* A sign that somebody still looks at is taken over; one that is up is not, nor what is none. */
static void test_signs(void **state)
{
	struct wsd_addr addr = world_addr(world_port());
	shm_channel ends[2], listener, second;
	SECURITY_ATTRIBUTES *rights = (SECURITY_ATTRIBUTES *)(uintptr_t)&wsd_windows_user()->rights;
	HANDLE held, other;
	char name[192];

	(void)state;
	memcpy(name, "Local\\", 6);
	shm_name_make(name + 6, sizeof(name) - 6, wsd_windows_user()->name, &addr);
	assert_int_equal(shm_os_listen(&addr, &listener), WSD_OK);
	held = OpenFileMappingA(FILE_MAP_READ, FALSE, name);
	assert_non_null(held);
	shm_os_close(&listener);
	assert_int_equal(shm_os_connect(&addr, &second), WSD_ENOLISTENER);
	leave_listener(&addr, ends);
	assert_int_equal(shm_os_listen(&addr, &listener), WSD_OK);
	assert_int_equal(shm_os_listen(&addr, &second), WSD_EADDRINUSE);
	shm_os_close(&listener);
	CloseHandle(held);
	for (unsigned kind = 0; kind < 2; kind++) {
		other = kind ? CreateEventA(NULL, TRUE, FALSE, name)
			     : CreateFileMappingA(INVALID_HANDLE_VALUE, rights, PAGE_READWRITE, 0,
						  3 * SHM_PAGE, name);
		assert_non_null(other);
		assert_int_equal(shm_os_connect(&addr, &second), WSD_ENOLISTENER);
		assert_int_equal(shm_os_listen(&addr, &second), WSD_EADDRINUSE);
		CloseHandle(other);
	}
	shm_os_close(&ends[0]);
	shm_os_close(&ends[1]);
}

/* --- a channel whose other end reads nothing --- */

struct stuck {
	struct shm_set *set;
	struct shm_source source;
	shm_channel peer;
	struct shm_pipe *closed; /* lives as long as its last packet waits */
	unsigned sent;
};

/* As many packets as the system takes, and one that waits. */
static void stuck_make(struct stuck *stuck)
{
	struct wsd_addr addr = world_addr(world_port());
	struct shm_msg_hello hello = shm_good_hello;
	shm_channel listener;

	memset(stuck, 0, sizeof(*stuck));
	assert_int_equal(shm_os_listen(&addr, &listener), WSD_OK);
	shm_pipe_start(listener);
	assert_int_equal(shm_os_connect(&addr, &stuck->peer), WSD_OK);
	assert_int_equal(shm_os_accept(listener, &stuck->source.channel), WSD_OK);
	shm_os_close(&listener);
	assert_int_equal(shm_set_create(shm_queue->inbox_share, &stuck->set), WSD_OK);
	assert_int_equal(shm_set_add(stuck->set, &stuck->source, SHM_READ), WSD_OK);
	while (shm_os_send(stuck->source.channel, &hello, sizeof(hello), NULL, 0) == WSD_OK)
		stuck->sent++;
	assert_false(shm_pipe_idle(stuck->source.channel));
	shm_set_remove(stuck->set, &stuck->source);
	stuck->closed = stuck->source.channel;
	shm_os_close(&stuck->source.channel);
}

/* It takes no more than a moment to leave it. */
static void test_stopped_reader(void **state)
{
	struct stuck stuck;
	uint64_t start;

	(void)state;
	stuck_make(&stuck);
	start = wsd_clock_ns();
	shm_set_destroy(stuck.set);
	assert_true(wsd_clock_ns() - start < UINT64_C(2000000000));
	shm_os_close(&stuck.peer);
}

/* All of it arrives at who reads in time, and then the end. */
static void read_late(struct stuck *all)
{
	struct stuck stuck = *all;
	union shm_packet packet;
	struct shm_ready ready;
	size_t length;
	bool more;

	shm_pipe_start(stuck.peer);
	for (unsigned i = 0; i <= stuck.sent; i++) {
		enum wsd_status status = WSD_AGAIN;
		unsigned count = 0;

		for (unsigned tries = 0; tries < 2000 && status == WSD_AGAIN; tries++) {
			assert_int_equal(shm_set_poll(stuck.set, &ready, 1, &more), 0);
			status = shm_os_receive(stuck.peer, &packet, &length, NULL, &count);
			if (status == WSD_AGAIN)
				Sleep(1);
		}
		assert_int_equal(status, WSD_OK);
		assert_int_equal(length, i < stuck.sent ? sizeof(shm_good_hello) : 0);
	}
	shm_set_destroy(stuck.set);
	shm_os_close(&stuck.peer);
}

static void test_late_reader(void **state)
{
	struct stuck stuck;

	(void)state;
	stuck_make(&stuck);
	read_late(&stuck);
}

/* The thread that wrote and closed has ended meanwhile, and with it, on Windows, what it has begun. */
static void test_ended_writer(void **state)
{
	struct stuck stuck;

	(void)state;
	stuck_make(&stuck);
	assert_true(CancelIoEx(stuck.closed->handle, &stuck.closed->write));
	read_late(&stuck);
}

/* A thread that started reading ends, and with it, on Windows, what it has started. */
static unsigned __stdcall connect_and_end(void *end)
{
	connect_to(end, shm_port);
	expect(end, WSD_EV_CONNECTED);
	return 0;
}

static void test_ended_thread(void **state)
{
	struct end *end = end_new(shm_queue);
	HANDLE thread = (HANDLE)_beginthreadex(NULL, 0, connect_and_end, end, 0, NULL);

	(void)state;
	WaitForSingleObject(thread, INFINITE);
	CloseHandle(thread);
	CancelIoEx(end->endpoint->link->source.channel->handle, NULL); /* so does this */
	for (unsigned i = 0; i < 20; i++)
		shm_exchange(end, "alive");
	assert_true(quiet(end));
	shm_reap(&shm_child);
	assert_int_equal(expect(end, WSD_EV_DISCONNECTED)->status, WSD_ERESET);
	end_free(end);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, shm_setup, shm_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(bad_requests),  TEST(names),	 TEST(bad_memory),     TEST(bad_link),
		TEST(silent),	     TEST(ringing),	 TEST(rights),	       TEST(stranger),
		TEST(listener_gone), TEST(signs),	 TEST(stopped_reader), TEST(late_reader),
		TEST(ended_writer),  TEST(ended_thread),
	};

	if (shm_served(argc, argv))
		return 0;
	return cmocka_run_group_tests_name("shm_pipes", tests, NULL, NULL);
}
