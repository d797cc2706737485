// SPDX-License-Identifier: BSD-2-Clause
/* wine_socket.c - see wine_socket.h: calls of the system below Wine. */
#include "tests/windows/wine_socket.h"

#include <ws2tcpip.h>

#include <stdint.h>

#include "rdma_backend/base/platform_windows.h"

#ifdef __x86_64__
#define LINUX_CLOSE	 3
#define LINUX_CONNECT	 42
#define LINUX_GETSOCKOPT 55
#define LINUX_IOCTL	 16
#else
#define LINUX_CLOSE	 6
#define LINUX_CONNECT	 362
#define LINUX_GETSOCKOPT 365
#define LINUX_IOCTL	 54
#endif
#define LINUX_TCP	 6
#define LINUX_TCP_INFO	 11
#define LINUX_TCP_CLOSE	 7
#define LINUX_SIOCOUTQ	 0x5411
#define LINUX_SIOCATMARK 0x8905

/* A call of the system below Wine. */
static intptr_t linux_call(intptr_t number, intptr_t a, intptr_t b, intptr_t c, void *d, void *e)
{
	intptr_t result;

#ifdef __x86_64__
	register void *r10 __asm__("r10") = d;
	register void *r8 __asm__("r8") = e;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
#else
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "0"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory");
#endif
	return result;
}

/* The descriptor below a socket of Wine's, for the caller to close; -1: none. */
static int descriptor_of(SOCKET s)
{
	int(CDECL * to_fd)(HANDLE handle, unsigned access, int *fd, unsigned *options);
	int fd;

	if (!wsd_windows_symbol(GetModuleHandleW(L"ntdll.dll"), "wine_server_handle_to_fd", &to_fd,
				sizeof(to_fd)) ||
	    to_fd((HANDLE)s, FILE_READ_DATA, &fd, NULL) != 0)
		return -1;
	return fd;
}

bool wine_socket_is_gone(SOCKET s)
{
	unsigned char info[8] = { 0 }; /* the first byte: the state */
	int length = sizeof(info), fd = descriptor_of(s);

	if (fd < 0)
		return false;
	(void)linux_call(LINUX_GETSOCKOPT, fd, LINUX_TCP, LINUX_TCP_INFO, info, &length);
	(void)linux_call(LINUX_CLOSE, fd, 0, 0, NULL, NULL);
	return info[0] == LINUX_TCP_CLOSE;
}

static int ask(SOCKET s, intptr_t what)
{
	int answer = 0, fd = descriptor_of(s);

	if (fd < 0)
		return 0;
	(void)linux_call(LINUX_IOCTL, fd, what, (intptr_t)&answer, NULL, NULL);
	(void)linux_call(LINUX_CLOSE, fd, 0, 0, NULL, NULL);
	return answer;
}

int wine_socket_unsent(SOCKET s)
{
	return ask(s, LINUX_SIOCOUTQ);
}

bool wine_socket_at_mark(SOCKET s)
{
	return ask(s, LINUX_SIOCATMARK) != 0;
}

void wine_socket_reset(SOCKET s)
{
	char nowhere[16] = { AF_UNSPEC };
	int fd = descriptor_of(s);

	if (fd < 0)
		return;
	(void)linux_call(LINUX_CONNECT, fd, (intptr_t)nowhere, sizeof(nowhere), NULL, NULL);
	(void)linux_call(LINUX_CLOSE, fd, 0, 0, NULL, NULL);
}
