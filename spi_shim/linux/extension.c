// SPDX-License-Identifier: BSD-2-Clause
/*
 * extension.c - owns the functions of mswsock.h. Each fetches the provider's pointer and calls it;
 * the provider reports errors of these through the last error, because they have no lpErrno.
 */
#include "spi_shim/linux/extension.h"

#include <stdatomic.h>
#include <string.h>

#include "spi_shim/linux/api.h"

#define GENERIC_FN void (*)(void)

/* Copies the provider's function for guid to *function. False with the last error set. */
static bool fetch(SOCKET s, const GUID *guid, void *function, size_t size)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID;
	GUID id = *guid;
	DWORD bytes = 0;

	if (provider == NULL)
		return false;
	if (provider->lpWSPIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof(id), function,
				 (DWORD)size, &bytes, NULL, NULL, NULL, &error) != 0)
		return wsd_fail((DWORD)error);
	return true;
}

static const GUID id_transmit_file = WSAID_TRANSMITFILE;
static const GUID id_accept = WSAID_ACCEPTEX;
static const GUID id_split_addresses = WSAID_GETACCEPTEXSOCKADDRS;
static const GUID id_connect = WSAID_CONNECTEX;
static const GUID id_disconnect = WSAID_DISCONNECTEX;
static const GUID id_transmit_packets = WSAID_TRANSMITPACKETS;

static _Atomic LPFN_GETACCEPTEXSOCKADDRS split_addresses;

BOOL WINAPI TransmitFile(SOCKET hSocket, HANDLE hFile, DWORD nNumberOfBytesToWrite,
			 DWORD nNumberOfBytesPerSend, LPOVERLAPPED lpOverlapped,
			 LPTRANSMIT_FILE_BUFFERS lpTransmitBuffers, DWORD dwReserved)
{
	LPFN_TRANSMITFILE function;
	struct wsd_call call;
	BOOL result;

	if (!fetch(hSocket, &id_transmit_file, &function, sizeof(function)))
		return FALSE;
	wsd_call_begin(&call, lpOverlapped);
	result = function(hSocket, hFile, nNumberOfBytesToWrite, nNumberOfBytesPerSend,
			  lpOverlapped, lpTransmitBuffers, dwReserved);
	wsd_call_end(&call, result);
	return result;
}

BOOL WINAPI AcceptEx(SOCKET sListenSocket, SOCKET sAcceptSocket, PVOID lpOutputBuffer,
		     DWORD dwReceiveDataLength, DWORD dwLocalAddressLength,
		     DWORD dwRemoteAddressLength, LPDWORD lpdwBytesReceived,
		     LPOVERLAPPED lpOverlapped)
{
	LPFN_GETACCEPTEXSOCKADDRS split;
	LPFN_ACCEPTEX function;
	struct wsd_call call;
	BOOL result;

	if (!fetch(sListenSocket, &id_accept, &function, sizeof(function)))
		return FALSE;
	if (fetch(sListenSocket, &id_split_addresses, &split, sizeof(split)))
		atomic_store(&split_addresses, split);
	wsd_call_begin(&call, lpOverlapped);
	result = function(sListenSocket, sAcceptSocket, lpOutputBuffer, dwReceiveDataLength,
			  dwLocalAddressLength, dwRemoteAddressLength, lpdwBytesReceived,
			  lpOverlapped);
	wsd_call_end(&call, result);
	return result;
}

BOOL WINAPI ConnectEx(SOCKET s, const struct sockaddr *name, int namelen, PVOID lpSendBuffer,
		      DWORD dwSendDataLength, LPDWORD lpdwBytesSent, LPOVERLAPPED lpOverlapped)
{
	LPFN_CONNECTEX function;
	struct wsd_call call;
	BOOL result;

	if (!fetch(s, &id_connect, &function, sizeof(function)))
		return FALSE;
	wsd_call_begin(&call, lpOverlapped);
	result = function(s, name, namelen, lpSendBuffer, dwSendDataLength, lpdwBytesSent,
			  lpOverlapped);
	wsd_call_end(&call, result);
	return result;
}

BOOL WINAPI DisconnectEx(SOCKET s, LPOVERLAPPED lpOverlapped, DWORD dwFlags, DWORD dwReserved)
{
	LPFN_DISCONNECTEX function;
	struct wsd_call call;
	BOOL result;

	if (!fetch(s, &id_disconnect, &function, sizeof(function)))
		return FALSE;
	wsd_call_begin(&call, lpOverlapped);
	result = function(s, lpOverlapped, dwFlags, dwReserved);
	wsd_call_end(&call, result);
	return result;
}

BOOL WINAPI TransmitPackets(SOCKET hSocket, LPTRANSMIT_PACKETS_ELEMENT lpPacketArray,
			    DWORD nElementCount, DWORD nSendSize, LPOVERLAPPED lpOverlapped,
			    DWORD dwFlags)
{
	LPFN_TRANSMITPACKETS function;
	struct wsd_call call;
	BOOL result;

	if (!fetch(hSocket, &id_transmit_packets, &function, sizeof(function)))
		return FALSE;
	wsd_call_begin(&call, lpOverlapped);
	result = function(hSocket, lpPacketArray, nElementCount, nSendSize, lpOverlapped, dwFlags);
	wsd_call_end(&call, result);
	return result;
}

/*
 * Splits what AcceptEx wrote. It takes no socket, so it uses the pointer of the last AcceptEx;
 * without one there is nothing to split.
 */
VOID WINAPI GetAcceptExSockaddrs(PVOID lpOutputBuffer, DWORD dwReceiveDataLength,
				 DWORD dwLocalAddressLength, DWORD dwRemoteAddressLength,
				 struct sockaddr **LocalSockaddr, LPINT LocalSockaddrLength,
				 struct sockaddr **RemoteSockaddr, LPINT RemoteSockaddrLength)
{
	LPFN_GETACCEPTEXSOCKADDRS function = atomic_load(&split_addresses);

	if (function == NULL)
		return;
	function(lpOutputBuffer, dwReceiveDataLength, dwLocalAddressLength, dwRemoteAddressLength,
		 LocalSockaddr, LocalSockaddrLength, RemoteSockaddr, RemoteSockaddrLength);
}

void wsd_extension_wrap(const void *guid, void *function)
{
	const struct {
		const GUID *id;
		void (*exported)(void);
	} wrapped[] = {
		{ &id_transmit_file, (GENERIC_FN)TransmitFile },
		{ &id_accept, (GENERIC_FN)AcceptEx },
		{ &id_connect, (GENERIC_FN)ConnectEx },
		{ &id_disconnect, (GENERIC_FN)DisconnectEx },
		{ &id_transmit_packets, (GENERIC_FN)TransmitPackets },
	};
	size_t i;

	for (i = 0; i < sizeof(wrapped) / sizeof(wrapped[0]); i++)
		if (memcmp(guid, wrapped[i].id, sizeof(GUID)) == 0)
			memcpy(function, &wrapped[i].exported, sizeof(wrapped[i].exported));
}
