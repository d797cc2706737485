// SPDX-License-Identifier: BSD-2-Clause
/* test_san_options.c - mode S: options, control codes, the address list, the extension functions. */
#include "tests/conformance/netns.h"
#include "tests/conformance/san.h"

static int get(SOCKET s, int level, int name, DWORD *value, int *length)
{
	return spi.lpWSPGetSockOpt(s, level, name, (char *)value, length, &host_error);
}

static int set(SOCKET s, int level, int name, int value)
{
	return spi.lpWSPSetSockOpt(s, level, name, (char *)&value, sizeof(value), &host_error);
}

static void check_options(void)
{
	static const int sizes[] = { SO_MAX_MSG_SIZE, SO_MAX_RDMA_SIZE, SO_RDMA_THRESHOLD_SIZE };
	static const int numbers[] = { 260, 261, 262 };
	static const int foreign[] = { SO_KEEPALIVE, SO_LINGER, SO_RCVBUF, SO_REUSEADDR, 0x4321 };
	SOCKET s = host_socket();
	struct san_pair p;
	DWORD value;
	int length;

	for (unsigned i = 0; i < 3; i++) {
		value = 0;
		length = 16;
		CHECK_R(numbers[i],
			get(s, SOL_SOCKET, sizes[i], &value, &length) == 0 && value > 0);
		CHECK_R(247, length == sizeof(DWORD));
		length = 3;
		CHECK_R(246, SPI_FAILS(get(s, SOL_SOCKET, sizes[i], &value, &length), WSAEFAULT) &&
				     length == sizeof(DWORD));
		CHECK_R(246, SPI_FAILS(spi.lpWSPGetSockOpt(s, SOL_SOCKET, sizes[i], NULL, &length,
							   &host_error),
				       WSAEFAULT));
		CHECK(SPI_FAILS(set(s, SOL_SOCKET, sizes[i], 1), WSAENOPROTOOPT));
	}
	length = sizeof(value);
	value = 77;
	CHECK_R(248, get(s, SOL_SOCKET, SO_DEBUG, &value, &length) == 0 && value == 0);
	CHECK(set(s, SOL_SOCKET, SO_DEBUG, 1) == 0 &&
	      get(s, SOL_SOCKET, SO_DEBUG, &value, &length) == 0 && value != 0);
	CHECK(SPI_FAILS(spi.lpWSPSetSockOpt(s, SOL_SOCKET, SO_DEBUG, NULL, 4, &host_error),
			WSAEFAULT));
	for (unsigned i = 0; i < 5; i++) {
		CHECK_R(245,
			SPI_FAILS(get(s, SOL_SOCKET, foreign[i], &value, &length), WSAENOPROTOOPT));
		CHECK_R(264, SPI_FAILS(set(s, SOL_SOCKET, foreign[i], 1), WSAENOPROTOOPT));
	}
	CHECK_R(263, SPI_FAILS(get(s, SOL_SOCKET, SO_GROUP_ID, &value, &length), WSAENOPROTOOPT) &&
			     SPI_FAILS(set(s, SOL_SOCKET, SO_GROUP_PRIORITY, 1), WSAENOPROTOOPT));
	CHECK(SPI_FAILS(get(s, 12345, SO_DEBUG, &value, &length), WSAEINVAL));
	CHECK_R(264,
		host_close(s) == 0 && san_open_pair(&p) &&
			SPI_FAILS(set(p.client, SOL_SOCKET, SO_KEEPALIVE, 1), WSAENOPROTOOPT) &&
			san_message(p.client, p.server, "usable", 6, SAN_POLL));
	san_close_pair(&p);
}

static int control(SOCKET s, DWORD code, void *in, DWORD in_size, void *out, DWORD out_size,
		   DWORD *bytes)
{
	return spi.lpWSPIoctl(s, code, in, in_size, out, out_size, bytes, NULL, NULL, NULL,
			      &host_error);
}

static void check_addresses(void)
{
	union {
		SOCKET_ADDRESS_LIST list;
		char room[8192];
	} out;
	const SOCKET_ADDRESS *first = out.list.Address; /* declared as one of them */
	SOCKET s = host_socket();
	DWORD bytes = 0, need;
	bool inside = true;

	CHECK_R(45, control(s, SIO_ADDRESS_LIST_QUERY, NULL, 0, &out, sizeof(out), &bytes) == 0);
	CHECK_R(269, out.list.iAddressCount >= 1 && bytes <= sizeof(out));
	for (int i = 0; i < out.list.iAddressCount; i++) {
		const SOCKET_ADDRESS *address = first + i;
		const char *at = (const char *)address->lpSockaddr;

		inside = inside && at >= out.room &&
			 at + address->iSockaddrLength <= out.room + bytes &&
			 address->lpSockaddr->sa_family == conf_family();
	}
	CHECK_R(271, inside);
	need = bytes;
	bytes = 0;
	CHECK_R(270, SPI_FAILS(control(s, SIO_ADDRESS_LIST_QUERY, NULL, 0, &out, need - 1, &bytes),
			       WSAEFAULT) &&
			     bytes == need);
	CHECK_R(270, SPI_FAILS(control(s, SIO_ADDRESS_LIST_QUERY, NULL, 0, NULL, 0, &bytes),
			       WSAEFAULT) &&
			     bytes == need);
	/* Asked anew each time: nothing is remembered that could be out of date. */
	memset(&out, 0, sizeof(out));
	CHECK(control(s, SIO_ADDRESS_LIST_QUERY, NULL, 0, &out, sizeof(out), &bytes) == 0 &&
	      bytes == need);
	host_close(s);
}

static void check_codes(void)
{
	static const DWORD qos[] = { SIO_GET_QOS, SIO_SET_QOS, SIO_GET_GROUP_QOS,
				     SIO_SET_GROUP_QOS };
	SOCKET s = host_socket();
	u_long on = 1;
	DWORD bytes = 0;
	char room[256];

	for (unsigned i = 0; i < 4; i++)
		CHECK_R(280, SPI_FAILS(control(s, qos[i], room, sizeof(room), room, sizeof(room),
					       &bytes),
				       WSAENOPROTOOPT));
	CHECK_R(267, SPI_FAILS(control(s, 0x12345678, NULL, 0, NULL, 0, &bytes), WSAEINVAL));
	CHECK_R(267,
		SPI_FAILS(control(s, FIONREAD, NULL, 0, room, sizeof(room), &bytes), WSAEINVAL));
	CHECK_R(268,
		SPI_FAILS(control(s, SIO_GET_EXTENSION_FUNCTION_POINTER, room, 16, room, 2, &bytes),
			  WSAEFAULT));
	CHECK_R(265, control(s, FIONBIO, &on, sizeof(on), NULL, 0, &bytes) == 0);
	on = 0;
	CHECK_R(265, control(s, FIONBIO, &on, sizeof(on), NULL, 0, &bytes) == 0);
	CHECK(SPI_FAILS(control(s, FIONBIO, &on, 1, NULL, 0, &bytes), WSAEFAULT));
	host_close(s);
}

/* An overlapped control code, whose result is polled or told like any other. */
static void check_overlapped(void)
{
	char room[8192];
	SOCKET s = host_socket();
	struct san_op op;
	DWORD bytes = 0;

	for (unsigned way = SAN_POLL; way <= SAN_UPCALL; way++) {
		san_begin_op(&op, (enum san_way)way);
		CHECK_R(178, spi.lpWSPIoctl(s, SIO_ADDRESS_LIST_QUERY, NULL, 0, room, sizeof(room),
					    &op.bytes, &op.o, NULL, NULL, &host_error) == 0 &&
				     san_result(s, &op, &bytes) == 0 && bytes == op.bytes);
		CHECK_R(128, op.bytes > 0 && bytes == op.bytes);
	}
	host_close(s);
}

static void check_extensions(void)
{
	static const GUID mandatory[] = { WSAID_REGISTERMEMORY, WSAID_DEREGISTERMEMORY,
					  WSAID_REGISTERRDMAMEMORY, WSAID_DEREGISTERRDMAMEMORY,
					  WSAID_RDMAWRITE };
	static const GUID optional[] = { WSAID_RDMAREAD, WSAID_MEMORYREGISTRATIONCACHECALLBACK };
	static const GUID unknown = { 1, 2, 3, { 4 } };
	static const GUID foreign = WSAID_ACCEPTEX;
	SOCKET s = host_socket();
	void *function;

	for (unsigned i = 0; i < 5; i++) {
		function = NULL;
		CHECK_R(275, san_find(s, &mandatory[i], &function) == 0 && function != NULL);
		function = NULL;
		CHECK_R(278, san_find(INVALID_SOCKET, &mandatory[i], &function) == 0 &&
				     function != NULL);
		CHECK_R(278, san_find(0, &mandatory[i], &function) == 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		function = NULL;
		CHECK(san_find(s, &optional[i], &function) == 0 && function != NULL);
	}
	CHECK_R(279, SPI_FAILS(san_find(s, &unknown, &function), WSAEINVAL));
	CHECK_R(279, SPI_FAILS(san_find(s, &foreign, &function), WSAEINVAL)); /* the switch's own */
	host_close(s);
}

/* --- addresses that come and go, in a process and a network namespace of their own --- */

static bool is_listed(SOCKET s, const char *text)
{
	static union {
		SOCKET_ADDRESS_LIST list;
		char room[16384];
	} out;
	const SOCKET_ADDRESS *first = out.list.Address; /* declared as one of them */
	unsigned char wanted[16];
	DWORD bytes = 0;
	bool v6 = conf_family() == AF_INET6, found = false;

	if (inet_pton(conf_family(), text, wanted) != 1 ||
	    control(s, SIO_ADDRESS_LIST_QUERY, NULL, 0, &out, sizeof(out), &bytes) != 0)
		return false;
	for (int i = 0; i < out.list.iAddressCount; i++) {
		const struct sockaddr *at = first[i].lpSockaddr;

		found = found ||
			(v6 ? memcmp(&((const struct sockaddr_in6 *)at)->sin6_addr, wanted, 16) == 0
			    : memcmp(&((const struct sockaddr_in *)at)->sin_addr, wanted, 4) == 0);
	}
	return found;
}

/* The backend under test; "plain" may stand beside it. */
static bool backend_is(const char *name)
{
	const char *backends = getenv("WSD_BACKENDS");
	size_t length = strlen(name);

	return backends != NULL && strncmp(backends, name, length) == 0 &&
	       (backends[length] == '\0' || backends[length] == ',');
}

/* An adapter hears of its addresses a little later. */
static bool stays_unlike(SOCKET s, const char *text, bool listed)
{
	for (unsigned i = 0; i < 100 && backend_is("verbs") && is_listed(s, text) != listed; i++)
		Sleep(50);
	return is_listed(s, text) != listed;
}

#define NOT_ALLOWED 77

/* sim keeps the addresses that there were at its start: a later one it does not serve, nor does WSPBind take it. */
static int with_changes(void)
{
	bool sim = backend_is("sim");
	unsigned family = conf_family() == AF_INET6 ? 6 : 4;
	const char *text = family == 6 ? "fd00:77::1" : "10.77.0.1";
	SOCKET s;

	/* An adapter is not in a namespace of ours: there the machine is, of which nothing else runs meanwhile. */
	if (backend_is("verbs")) {
		const char *here = getenv(family == 6 ? "WSD_TEST_IPV6" : "WSD_TEST_IPV4");

		if (here == NULL || !netns_beside(here))
			return NOT_ALLOWED;
	} else if (!netns_enter()) {
		return NOT_ALLOWED;
	}
	if (san_startup(0) != 0)
		return 1;
	s = host_socket();
	return is_listed(s, text) || !netns_address(family, text, true) ||
	       stays_unlike(s, text, !sim) || !netns_address(family, text, false) ||
	       stays_unlike(s, text, false);
}

/* The result of this program in another process, with that role. */
static int in_a_child(const char *role)
{
	struct child c = child_start(role, "-");

	return child_wait(&c);
}

static void check_changes(void)
{
	int result = in_a_child("changes");

	if (result == NOT_ALLOWED) {
		puts("not checked: no network namespace can be had (R-272)");
		return;
	}
	CHECK_R(269, result == 0);
	if (!backend_is("sim"))
		CHECK_R(272, result == 0);
}

/* In a process of its own, where one device cannot READ, this one or one beside it: the function is not offered,
 * all others are. */
static int without_read(void)
{
	static const GUID read = WSAID_RDMAREAD, write = WSAID_RDMAWRITE;
	WSPUPCALLTABLEEX upcalls = san_table(0);
	char backends[64];
	void *function;
	WSPDATA data;

	if (!backend_is("sim")) {
		snprintf(backends, sizeof(backends), "%s,sim", getenv("WSD_BACKENDS"));
		set_variable("WSD_BACKENDS", backends);
	}
	set_variable("WSD_SIM_CAPS", "-read");
	return WSPStartupEx(MAKEWORD(2, 2), &data, &host_protocol, &upcalls, &spi) != 0 ||
	       !SPI_FAILS(san_find(INVALID_SOCKET, &read, &function), WSAEOPNOTSUPP) ||
	       san_find(INVALID_SOCKET, &write, &function) != 0;
}

int main(int argc, char **argv)
{
	host_begin(argc, argv);
	if (conf_role() != NULL)
		return strcmp(conf_role(), "changes") == 0 ? with_changes() : without_read();
	CHECK_R(276, in_a_child("without_read") == 0);
	check_changes();
	if (san_startup(0) != 0)
		return 1;
	check_options();
	check_addresses();
	check_codes();
	check_overlapped();
	check_extensions();
	host_cleanup();
	return check_result();
}
