// SPDX-License-Identifier: BSD-2-Clause
/* test_host_api.c - the Winsock functions above the provider: start-up, errors, conversions, files. */
#include "tests/lib/test.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#define WSD_KEEP_HOST_POLL
#include "rdma_backend/base/base.h"
#include "spi_shim/linux/handle.h"
#include "tests/unit/test_host_fake.h"

static SOCKET sock;

static int start(void **state)
{
	WSADATA data;

	(void)state;
	fake_reset();
	assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), 0);
	sock = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	assert_true(sock != INVALID_SOCKET);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	closesocket(sock);
	return WSACleanup();
}

static void test_startup_negotiates_versions(void **state)
{
	static const struct {
		WORD asked, given;
		int error;
	} cases[] = {
		{ MAKEWORD(2, 2), MAKEWORD(2, 2), 0 }, { MAKEWORD(2, 0), MAKEWORD(2, 0), 0 },
		{ MAKEWORD(1, 1), MAKEWORD(1, 1), 0 }, { MAKEWORD(1, 0), MAKEWORD(1, 0), 0 },
		{ MAKEWORD(3, 1), MAKEWORD(2, 2), 0 }, { MAKEWORD(0, 9), 0, WSAVERNOTSUPPORTED },
	};
	WSADATA data;
	size_t i;

	(void)state;
	fake_reset();
	assert_int_equal(WSAStartup(MAKEWORD(2, 2), NULL), WSAEFAULT);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(WSAStartup(cases[i].asked, &data), cases[i].error);
		assert_int_equal(data.wHighVersion, MAKEWORD(2, 2));
		if (cases[i].error != 0)
			continue;
		assert_int_equal(data.wVersion, cases[i].given);
		assert_int_equal(WSACleanup(), 0);
	}
}

static void test_startup_is_counted(void **state)
{
	WSADATA data;
	int startups = atomic_load(&fake.startups), cleanups = atomic_load(&fake.cleanups);

	(void)state;
	fake_reset();
	assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), 0);
	assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), 0);
	assert_int_equal(WSACleanup(), 0);
	assert_int_equal(atomic_load(&fake.cleanups), cleanups);
	assert_int_equal(WSACleanup(), 0);
	assert_int_equal(atomic_load(&fake.startups), startups + 1);
	assert_int_equal(atomic_load(&fake.cleanups), cleanups + 1);
	assert_int_equal(WSACleanup(), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSANOTINITIALISED);
}

static void test_startup_reports_a_bad_provider(void **state)
{
	WSADATA data;

	(void)state;
	fake_reset();
	fake.startup_error = WSASYSNOTREADY;
	assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), WSASYSNOTREADY);
	fake_reset();
	fake.leave_a_hole = true;
	assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), WSAEINVALIDPROCTABLE);
	fake_reset();
	fake.version = MAKEWORD(1, 1);
	assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), WSAEINVALIDPROVIDER);
	assert_int_equal(WSACleanup(), SOCKET_ERROR);
}

static void test_nothing_works_before_startup(void **state)
{
	struct timeval now = { 0, 0 };
	PADDRINFOA list = NULL;
	char name[8];
	INT protocols[] = { IPPROTO_TCP, 0 };
	DWORD length = 0;

	(void)state;
#define REFUSED(call, result)                                           \
	do {                                                            \
		WSASetLastError(0);                                     \
		assert_true((call) == (result));                        \
		assert_int_equal(WSAGetLastError(), WSANOTINITIALISED); \
	} while (0)
	REFUSED(socket(AF_INET, SOCK_STREAM, 0), INVALID_SOCKET);
	REFUSED(WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, 0), INVALID_SOCKET);
	REFUSED(bind(1, NULL, 0), SOCKET_ERROR);
	REFUSED(listen(1, 1), SOCKET_ERROR);
	REFUSED(accept(1, NULL, NULL), INVALID_SOCKET);
	REFUSED(connect(1, NULL, 0), SOCKET_ERROR);
	REFUSED(send(1, name, 1, 0), SOCKET_ERROR);
	REFUSED(recv(1, name, 1, 0), SOCKET_ERROR);
	REFUSED(select(0, NULL, NULL, NULL, &now), SOCKET_ERROR);
	REFUSED(closesocket(1), SOCKET_ERROR);
	REFUSED(gethostname(name, sizeof(name)), SOCKET_ERROR);
	REFUSED(getaddrinfo("127.0.0.1", NULL, NULL, &list), WSANOTINITIALISED);
	REFUSED(WSAEnumProtocolsW(protocols, NULL, &length), SOCKET_ERROR);
	REFUSED(WSAPoll(NULL, 0, 0), SOCKET_ERROR);
	REFUSED(wsd_socket_fd(1, FD_READ), -1);
}

static void test_socket_checks_the_catalogue(void **state)
{
	WSAPROTOCOL_INFOW foreign = { .iAddressFamily = AF_INET };

	(void)state;
#define NO_SOCKET(af, type, protocol, error)                               \
	do {                                                               \
		assert_true(socket(af, type, protocol) == INVALID_SOCKET); \
		assert_int_equal(WSAGetLastError(), error);                \
	} while (0)
	NO_SOCKET(0, 0, 0, WSAEINVAL);
	NO_SOCKET(99, SOCK_STREAM, 0, WSAEAFNOSUPPORT);
	NO_SOCKET(AF_INET, SOCK_DGRAM, 0, WSAESOCKTNOSUPPORT);
	NO_SOCKET(AF_INET, SOCK_STREAM, IPPROTO_UDP, WSAEPROTOTYPE);
	NO_SOCKET(AF_INET6, SOCK_STREAM, 250, WSAEPROTONOSUPPORT);
	NO_SOCKET(FROM_PROTOCOL_INFO, SOCK_STREAM, 0, WSAEFAULT);
	assert_true(WSASocketW(AF_INET, SOCK_STREAM, 0, &foreign, 0, 0) == INVALID_SOCKET);
	assert_int_equal(WSAGetLastError(), WSAEINVALIDPROVIDER);
	closesocket(sock);
	sock = socket(AF_INET6, 0, 0);
	assert_int_equal(fake.protocol.iAddressFamily, AF_INET6);
	assert_int_equal(fake.protocol.iMinSockAddr, sizeof(struct sockaddr_in6));
}

static void test_protocols_are_listed(void **state)
{
	WSAPROTOCOL_INFOW wide[2];
	WSAPROTOCOL_INFOA narrow[2];
	INT udp[] = { IPPROTO_UDP, 0 };
	DWORD length = 0;

	(void)state;
	assert_int_equal(WSAEnumProtocolsW(NULL, NULL, &length), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAENOBUFS);
	assert_int_equal(length, 2 * 628);
	assert_int_equal(WSAEnumProtocolsW(NULL, wide, &length), 2);
	assert_int_equal(wide[0].dwServiceFlags1, XP1_GUARANTEED_DELIVERY | XP1_GUARANTEED_ORDER |
							  XP1_GRACEFUL_CLOSE | XP1_EXPEDITED_DATA |
							  XP1_QOS_SUPPORTED);
	assert_int_equal(wide[0].ProtocolChain.ChainLen, BASE_PROTOCOL);
	assert_true(wide[0].dwCatalogEntryId != wide[1].dwCatalogEntryId);
	length = sizeof(narrow);
	assert_int_equal(WSAEnumProtocolsA(NULL, narrow, &length), 2);
	assert_string_equal(narrow[1].szProtocol, "OpenWSD TCP/IPv6");
	assert_int_equal(WSAEnumProtocolsW(udp, wide, &length), 0);
	assert_int_equal(WSAEnumProtocolsW(NULL, wide, NULL), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAEFAULT);
}

static void test_calls_carry_results_and_errors(void **state)
{
	char byte = 0;
	int length = 4;
	u_long number = 0;

	(void)state;
	assert_int_equal(send(sock, &byte, 1, 0), 5);
	assert_int_equal(recv(sock, &byte, 1, 0), 5);
	assert_int_equal(send(sock, &byte, -1, 0), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAEFAULT);
	fake.io = FAKE_FAIL;
	assert_int_equal(send(sock, &byte, 1, 0), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAECONNRESET);
	assert_int_equal(getsockopt(sock + 64, SOL_SOCKET, SO_TYPE, &byte, &length), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAENOTSOCK);
	assert_int_equal(ioctlsocket(sock, (int)FIONBIO, &number), 0);
	assert_int_equal(ioctlsocket(sock, (int)FIONBIO, NULL), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAEFAULT);
	assert_int_equal(ioctlsocket(sock, 5, &number), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAEOPNOTSUPP);
	assert_false(WSAGetOverlappedResult(sock, NULL, NULL, FALSE, NULL));
	assert_int_equal(WSAGetLastError(), WSAEFAULT);
	assert_int_equal(WSAHtonl(sock, 1, &number), 0);
	assert_int_equal(number, htonl(1));
	assert_int_equal(closesocket(3), SOCKET_ERROR); /* a descriptor is not a socket */
	assert_int_equal(WSAGetLastError(), WSAENOTSOCK);
}

static void test_duplicate_narrow_and_wide(void **state)
{
	WSAPROTOCOL_INFOA narrow;
	SOCKET copy;

	(void)state;
	assert_int_equal(WSADuplicateSocketA(sock, GetCurrentProcessId(), &narrow), 0);
	assert_int_equal(narrow.dwProviderReserved, 77);
	copy = WSASocketA(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &narrow, 0,
			  0);
	assert_true(copy != INVALID_SOCKET);
	assert_int_equal(fake.protocol.dwProviderReserved, 77);
	closesocket(copy);
}

static void test_poll_over_select(void **state)
{
	WSAPOLLFD *fds;
	SOCKET many[100];
	int i;

	(void)state;
	fds = wsd_alloc(102 * sizeof(*fds));
	for (i = 0; i < 100; i++) {
		many[i] = socket(AF_INET, SOCK_STREAM, 0);
		fds[i].fd = many[i];
		fds[i].events = i % 2 == 0 ? WSD_POLLIN : WSD_POLLOUT;
	}
	fds[100].fd = INVALID_SOCKET;
	fds[101].fd = many[0] + 2;
	fds[101].events = WSD_POLLIN;
	assert_int_equal(WSAPoll(fds, 101, 0), 50); /* more than FD_SETSIZE, odd ones not ready */
	assert_int_equal(fds[0].revents, WSD_POLLRDNORM | WSD_POLLHUP); /* no data: closed */
	assert_int_equal(fds[1].revents, 0);
	assert_int_equal(fds[100].revents, 0);
	assert_int_equal(WSAPoll(fds + 101, 1, -1), 1);
	assert_int_equal(fds[101].revents, WSD_POLLNVAL);
	assert_int_equal(WSAPoll(fds, 0, 0), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAEINVAL);
	assert_int_equal(WSAPoll(NULL, 1, 0), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAEFAULT);
	for (i = 0; i < 100; i++)
		closesocket(many[i]);
	wsd_free(fds);
}

static void test_fd_set_macros(void **state)
{
	fd_set set;
	SOCKET i;

	(void)state;
	FD_ZERO(&set);
	for (i = 0; i < FD_SETSIZE + 5; i++)
		FD_SET(i + 1, &set);
	FD_SET(1, &set);
	assert_int_equal(set.fd_count, FD_SETSIZE);
	assert_true(FD_ISSET(3, &set));
	FD_CLR(3, &set);
	assert_false(FD_ISSET(3, &set));
	assert_int_equal(set.fd_count, FD_SETSIZE - 1);
	assert_false(WPUFDIsSet(3, &set));
	assert_true(WPUFDIsSet(4, &set));
}

static void test_socket_descriptor_is_level_triggered(void **state)
{
	struct pollfd one = { -1, POLLIN, 0 };
	WSANETWORKEVENTS events;
	int fd = wsd_socket_fd(sock, FD_READ | FD_CLOSE);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fake.selected_events, FD_READ | FD_CLOSE);
	one.fd = fd;
	assert_int_equal(poll(&one, 1, 0), 0);
	WSASetEvent(fake.selected); /* as the provider does when it records an event */
	assert_int_equal(poll(&one, 1, 0), 1);
	assert_int_equal(poll(&one, 1, 0), 1);
	assert_int_equal(WSAEnumNetworkEvents(sock, NULL, &events), 0);
	assert_int_equal(poll(&one, 1, 0), 0);
	assert_int_equal(wsd_socket_fd(sock, FD_ACCEPT), fd);
	assert_int_equal(wsd_socket_fd(sock, 0), -1);
	assert_int_equal(WSAGetLastError(), 0);
	assert_null(fake.selected);
	assert_int_equal(wsd_socket_fd(sock + 1, FD_READ), -1);
	assert_int_equal(WSAGetLastError(), WSAENOTSOCK);
	closesocket(sock);
	assert_int_equal(close(fd), -1); /* closed with the socket */
	sock = socket(AF_INET, SOCK_STREAM, 0);
}

static void test_address_text(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	char text[32], small[3];
	DWORD length = sizeof(text);
	int size = sizeof(address);
	char good[] = "1.2.3.4", bad[] = "x";

	(void)state;
	assert_int_equal(
		WSAAddressToStringA((LPSOCKADDR)&address, sizeof(address), NULL, text, &length), 0);
	assert_string_equal(text, "1.2.3.4:5");
	assert_int_equal(length, 10);
	length = sizeof(small);
	assert_int_equal(
		WSAAddressToStringA((LPSOCKADDR)&address, sizeof(address), NULL, small, &length),
		SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAEFAULT);
	assert_int_equal(length, 10);
	assert_int_equal(WSAStringToAddressA(good, AF_INET, NULL, (LPSOCKADDR)&address, &size), 0);
	assert_int_equal(WSAStringToAddressA(bad, AF_INET, NULL, (LPSOCKADDR)&address, &size),
			 SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAEINVAL);
	assert_int_equal(WSAStringToAddressA(NULL, AF_INET, NULL, (LPSOCKADDR)&address, &size),
			 SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAEFAULT);
}

static void test_ip_text(void **state)
{
	struct in6_addr in6;
	struct in_addr in;
	char text[INET6_ADDRSTRLEN];

	(void)state;
	assert_int_equal(inet_pton(AF_INET, "10.1.2.3", &in), 1);
	assert_string_equal(inet_ntoa(in), "10.1.2.3");
	assert_int_equal(inet_pton(AF_INET6, "::1", &in6), 1);
	assert_true(IN6_IS_ADDR_LOOPBACK(&in6));
	assert_false(IN6_IS_ADDR_UNSPECIFIED(&in6));
	assert_memory_equal(&in6, &in6addr_loopback, 16);
	assert_string_equal(inet_ntop(AF_INET6, &in6, text, sizeof(text)), "::1");
	assert_null(inet_ntop(AF_INET6, &in6, text, 2));
	assert_int_equal(inet_pton(AF_INET, "10.1.2", &in), 0);
	assert_int_equal(inet_pton(10, "::1", &in6), -1); /* the number that Linux gives AF_INET6 */
	assert_int_equal(WSAGetLastError(), WSAEAFNOSUPPORT);
}

static void test_getaddrinfo_speaks_windows(void **state)
{
	ADDRINFOA hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
			    .ai_family = AF_INET6,
			    .ai_socktype = SOCK_STREAM };
	PADDRINFOA list = NULL;
	struct sockaddr_in6 in6;
	char node[64], service[16];

	(void)state;
	assert_int_equal(getaddrinfo("::1", "4711", &hints, &list), 0);
	assert_non_null(list);
	assert_int_equal(list->ai_family, 23);
	assert_int_equal(list->ai_socktype, SOCK_STREAM);
	assert_int_equal(list->ai_addrlen, sizeof(in6));
	memcpy(&in6, list->ai_addr, sizeof(in6));
	assert_int_equal(in6.sin6_family, 23);
	assert_int_equal(in6.sin6_port, htons(4711));
	assert_int_equal(getnameinfo(list->ai_addr, (int)list->ai_addrlen, node, sizeof(node),
				     service, sizeof(service), NI_NUMERICHOST | NI_NUMERICSERV),
			 0);
	assert_string_equal(node, "::1");
	assert_string_equal(service, "4711");
	freeaddrinfo(list);
	assert_int_equal(getaddrinfo("not.an.address", NULL, &hints, &list), EAI_NONAME);
	assert_null(list);
	assert_int_equal(WSAGetLastError(), WSAHOST_NOT_FOUND);
	assert_int_equal(getaddrinfo("::1", "99999", &hints, &list), WSATYPE_NOT_FOUND);
	assert_int_equal(getaddrinfo("::1", "65536", &hints, &list), WSATYPE_NOT_FOUND);
	assert_int_equal(getaddrinfo("::1", "-1", &hints, &list), WSATYPE_NOT_FOUND);
	assert_null(list);
	assert_int_equal(getaddrinfo("::1", "65535", &hints, &list), 0);
	freeaddrinfo(list);
	hints.ai_family = 10;
	assert_int_equal(getaddrinfo("::1", NULL, &hints, &list), EAI_FAMILY);
	assert_int_equal(getaddrinfo("::1", NULL, NULL, NULL), WSAEFAULT);
	assert_int_equal(getnameinfo(NULL, 0, node, 4, NULL, 0, 0), WSAEFAULT);
	assert_string_equal(gai_strerror(EAI_NONAME), "host not found");
	assert_string_equal(gai_strerrorA(EAI_NONAME), "host not found");
}

static void test_host_name(void **state)
{
	char name[256], tiny[1];

	(void)state;
	assert_int_equal(gethostname(name, sizeof(name)), 0);
	assert_true(strlen(name) > 0);
	assert_int_equal(gethostname(tiny, 1), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAEFAULT);
}

static void test_files(void **state)
{
	const char *path = test_write_file("file", "0123456789");
	HANDLE file = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ, NULL,
				  OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
	OVERLAPPED at = { 0 };
	LARGE_INTEGER size, to;
	char buffer[16];
	DWORD got;

	(void)state;
	assert_true(file != INVALID_HANDLE_VALUE);
	assert_true(GetFileSizeEx(file, &size));
	assert_int_equal(size.QuadPart, 10);
	assert_true(ReadFile(file, buffer, 4, &got, NULL));
	assert_int_equal(got, 4);
	assert_memory_equal(buffer, "0123", 4);
	at.Offset = 8;
	assert_true(ReadFile(file, buffer, 4, &got, &at));
	assert_int_equal(got, 2);
	at.Offset = 10;
	assert_false(ReadFile(file, buffer, 4, &got, &at));
	assert_int_equal(GetLastError(), ERROR_HANDLE_EOF);
	to.QuadPart = 2;
	assert_true(SetFilePointerEx(file, to, &size, FILE_CURRENT));
	assert_int_equal(size.QuadPart, 6);
	assert_true(WriteFile(file, "ab", 2, &got, NULL));
	to.QuadPart = -1;
	assert_false(SetFilePointerEx(file, to, NULL, FILE_BEGIN));
	assert_int_equal(GetLastError(), ERROR_NEGATIVE_SEEK);
	at.Offset = 4;
	assert_true(ReadFile(file, buffer, 6, &got, &at));
	assert_memory_equal(buffer, "45ab89", 6);
	assert_int_equal(WaitForSingleObject(file, 0), WAIT_FAILED);
	assert_true(CloseHandle(file));
	assert_false(ReadFile(file, buffer, 4, &got, NULL));
	assert_int_equal(GetLastError(), ERROR_INVALID_HANDLE);
	assert_true(CreateFileA("/nonexistent/file", GENERIC_READ, 0, NULL, OPEN_EXISTING, 0,
				NULL) == INVALID_HANDLE_VALUE);
	assert_int_equal(GetLastError(), ERROR_FILE_NOT_FOUND);
	assert_true(ReadFile((HANDLE)sock, buffer, 5, &got, NULL));
	assert_int_equal(got, 5);
	unlink(path);
}

static void test_small_extras(void **state)
{
	LARGE_INTEGER a, b, frequency;
	LPBLOCKINGCALLBACK callback = (LPBLOCKINGCALLBACK)1;
	DWORD_PTR context;
	WCHAR path[64];
	INT length = 64;
	int error = 0;

	(void)state;
	QueryPerformanceCounter(&a);
	QueryPerformanceFrequency(&frequency);
	QueryPerformanceCounter(&b);
	assert_true(b.QuadPart >= a.QuadPart && frequency.QuadPart > 0);
	assert_string_equal(wsd_strerror(WSAECONNREFUSED), "connection refused");
	assert_string_equal(wsd_strerror(123456), "unknown error");
	assert_true(strlen(wsd_version()) > 0);
	assert_int_equal(WPUQueryBlockingCallback(1001, &callback, &context, &error), 0);
	assert_null(callback);
	assert_int_equal(WPUQueryBlockingCallback(5, &callback, &context, &error), SOCKET_ERROR);
	assert_int_equal(error, WSAEINVAL);
	assert_int_equal(WPUGetProviderPath(&fake.protocol.ProviderId, path, &length, &error), 0);
	assert_true(WPUModifyIFSHandle(1001, 5, &error) == INVALID_SOCKET);
	/* No windows: the provider sees that, and so does who calls it in spite of that. */
	assert_null(fake.upcalls.lpWPUPostMessage);
	assert_false(WPUPostMessage(NULL, 0, 0, 0));
}

int main(void)
{
#define WITH_SOCKET(test) cmocka_unit_test_setup_teardown(test, start, stop)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_works_before_startup),
		cmocka_unit_test(test_startup_negotiates_versions),
		cmocka_unit_test(test_startup_is_counted),
		cmocka_unit_test(test_startup_reports_a_bad_provider),
		cmocka_unit_test(test_nothing_works_before_startup),
		WITH_SOCKET(test_socket_checks_the_catalogue),
		WITH_SOCKET(test_protocols_are_listed),
		WITH_SOCKET(test_calls_carry_results_and_errors),
		WITH_SOCKET(test_duplicate_narrow_and_wide),
		WITH_SOCKET(test_poll_over_select),
		WITH_SOCKET(test_fd_set_macros),
		WITH_SOCKET(test_socket_descriptor_is_level_triggered),
		WITH_SOCKET(test_address_text),
		WITH_SOCKET(test_ip_text),
		WITH_SOCKET(test_getaddrinfo_speaks_windows),
		WITH_SOCKET(test_host_name),
		WITH_SOCKET(test_files),
		WITH_SOCKET(test_small_extras),
	};

	test_deadline(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
