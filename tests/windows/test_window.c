// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_window.c - WSAAsyncSelect as programs with windows use it: a server and a client in one thread that
 * does nothing but what the messages of a window tell it.
 */
#include "tests/conformance/lib.h"

#define TO_SERVER (WM_APP + 1)
#define TO_CLIENT (WM_APP + 2)
#define TOTAL	  (4l << 20) /* more than any buffer on the way */
#define PIECE	  16384

static SOCKET listener, server = INVALID_SOCKET, client;
static long sent, received;
static unsigned connects, rooms, ends, wrong;
static bool full; /* a send has met no room since it was last told of any */

static char byte_at(long at)
{
	return (char)(at * 7 + (at >> 8));
}

static void send_rest(void)
{
	char block[PIECE];
	int n;

	while (sent < TOTAL) {
		int length = TOTAL - sent < PIECE ? (int)(TOTAL - sent) : PIECE;

		for (int i = 0; i < length; i++)
			block[i] = byte_at(sent + i);
		n = send(client, block, length, 0);
		if (n == SOCKET_ERROR) {
			wrong += WSAGetLastError() != WSAEWOULDBLOCK;
			full = true;
			return;
		}
		sent += n;
	}
	wrong += shutdown(client, SD_SEND) != 0;
}

static void client_told(SOCKET s, int event, int error)
{
	wrong += s != client || error != 0;
	switch (event) {
	case FD_CONNECT:
		wrong += connects++ > 0 || rooms > 0;
		break;
	case FD_WRITE:
		wrong += rooms++ > 0 && !full;
		full = false;
		send_rest();
		break;
	case FD_CLOSE:
		ends++;
		break;
	default:
		wrong++;
	}
}

/* One call for each message: what is left is told again. */
static void read_some(void)
{
	char block[PIECE];
	int n = recv(server, block, PIECE, 0);

	wrong += n == SOCKET_ERROR && WSAGetLastError() != WSAEWOULDBLOCK;
	for (int i = 0; i < n; i++)
		wrong += block[i] != byte_at(received++);
}

static void server_told(SOCKET s, int event, int error)
{
	wrong += error != 0 || s != (event == FD_ACCEPT ? listener : server);
	switch (event) {
	case FD_ACCEPT:
		server = accept(listener, NULL, NULL);
		wrong += server == INVALID_SOCKET;
		break;
	case FD_READ:
		read_some();
		break;
	case FD_CLOSE:
		wrong += received != TOTAL;
		ends++;
		closesocket(server);
		break;
	default:
		wrong++;
	}
}

static LRESULT CALLBACK procedure(HWND window, UINT message, WPARAM wparam, LPARAM lparam)
{
	if (message == TO_SERVER)
		server_told((SOCKET)wparam, WSAGETSELECTEVENT(lparam), WSAGETSELECTERROR(lparam));
	else if (message == TO_CLIENT)
		client_told((SOCKET)wparam, WSAGETSELECTEVENT(lparam), WSAGETSELECTERROR(lparam));
	else
		return DefWindowProcW(window, message, wparam, lparam);
	return 0;
}

static HWND make_window(void)
{
	WNDCLASSW class = { .lpfnWndProc = procedure, .lpszClassName = L"sockets" };
	HWND window = NULL;

	if (RegisterClassW(&class))
		window = CreateWindowExW(0, L"sockets", L"", 0, 0, 0, 0, 0, HWND_MESSAGE, NULL,
					 NULL, NULL);
	if (window == NULL) {
		printf("no window: error %lu\n", GetLastError());
		exit(1);
	}
	return window;
}

/* Until both have ended; false: no message came for long. */
static bool run(void)
{
	MSG message;

	while (ends < 2) {
		while (PeekMessageW(&message, NULL, 0, 0, PM_REMOVE))
			DispatchMessageW(&message);
		if (ends < 2 && MsgWaitForMultipleObjects(0, NULL, FALSE, conf_long(),
							  QS_ALLINPUT) == WAIT_TIMEOUT)
			return false;
	}
	return true;
}

static void check_program(HWND window)
{
	struct address at;

	listener = listener_on(&at, 8);
	client = stream_socket();
	CHECK(FAILS(WSAAsyncSelect(client, NULL, TO_CLIENT, FD_READ), WSAEINVAL) &&
	      FAILS(WSAAsyncSelect(INVALID_SOCKET, window, TO_CLIENT, FD_READ), WSAENOTSOCK));
	CHECK_R(213,
		WSAAsyncSelect(listener, window, TO_SERVER, FD_ACCEPT | FD_READ | FD_CLOSE) == 0 &&
			WSAAsyncSelect(client, window, TO_CLIENT,
				       FD_CONNECT | FD_READ | FD_WRITE | FD_CLOSE) == 0 &&
			FAILS(connect_to(client, &at), WSAEWOULDBLOCK));
	CHECK_R(224, run() && received == TOTAL);
	CHECK_R(228, sent == TOTAL && rooms > 1);
	CHECK_R(230, connects == 1);
	CHECK_R(231, ends == 2);
	CHECK_R(234, wrong == 0);
	printf("%ld bytes, told of room %u times, %u surprises\n", received, rooms, wrong);
	closesocket(client);
	closesocket(listener);
}

/* The window goes and the connection stays. */
static void check_gone(HWND window)
{
	u_long off = 0;
	struct pair p;
	char c;

	if (!open_pair(&p))
		abort();
	CHECK(WSAAsyncSelect(p.server, window, TO_SERVER, FD_READ | FD_CLOSE) == 0 &&
	      DestroyWindow(window));
	CHECK(send(p.client, "x", 1, 0) == 1);
	CHECK_R(235, FAILS(ioctlsocket(p.server, FIONBIO, &off), WSAEINVAL));
	CHECK_R(236, WSAAsyncSelect(p.server, NULL, 0, 0) == 0 &&
			     ioctlsocket(p.server, FIONBIO, &off) == 0 &&
			     recv(p.server, &c, 1, 0) == 1 && c == 'x');
	close_pair(&p);
}

int main(int argc, char **argv)
{
	HWND window;

	conf_start(argc, argv);
	window = make_window();
	check_program(window);
	check_gone(window);
	WSACleanup();
	return check_result();
}
