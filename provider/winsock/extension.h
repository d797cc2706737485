/* SPDX-License-Identifier: BSD-2-Clause */
/* extension.h - the Microsoft extension functions, shared by extension.c and transmit.c. */
#ifndef WSD_WINSOCK_EXTENSION_H
#define WSD_WINSOCK_EXTENSION_H

#include "provider/winsock/spi_calls.h"

BOOL WINAPI wsd_ext_accept(SOCKET sListenSocket, SOCKET sAcceptSocket, PVOID lpOutputBuffer,
			   DWORD dwReceiveDataLength, DWORD dwLocalAddressLength,
			   DWORD dwRemoteAddressLength, LPDWORD lpdwBytesReceived,
			   LPOVERLAPPED lpOverlapped);
VOID WINAPI wsd_ext_get_accept_sockaddrs(PVOID lpOutputBuffer, DWORD dwReceiveDataLength,
					 DWORD dwLocalAddressLength, DWORD dwRemoteAddressLength,
					 struct sockaddr **LocalSockaddr, LPINT LocalSockaddrLength,
					 struct sockaddr **RemoteSockaddr,
					 LPINT RemoteSockaddrLength);
BOOL WINAPI wsd_ext_connect(SOCKET s, const struct sockaddr *name, int namelen, PVOID lpSendBuffer,
			    DWORD dwSendDataLength, LPDWORD lpdwBytesSent,
			    LPOVERLAPPED lpOverlapped);
BOOL WINAPI wsd_ext_disconnect(SOCKET s, LPOVERLAPPED lpOverlapped, DWORD dwFlags,
			       DWORD dwReserved);
BOOL WINAPI wsd_ext_transmit_file(SOCKET hSocket, HANDLE hFile, DWORD nNumberOfBytesToWrite,
				  DWORD nNumberOfBytesPerSend, LPOVERLAPPED lpOverlapped,
				  LPTRANSMIT_FILE_BUFFERS lpTransmitBuffers, DWORD dwReserved);
BOOL WINAPI wsd_ext_transmit_packets(SOCKET hSocket, LPTRANSMIT_PACKETS_ELEMENT lpPacketArray,
				     DWORD nElementCount, DWORD nSendSize,
				     LPOVERLAPPED lpOverlapped, DWORD dwFlags);
/* TRUE for 0; else sets the host's last error. */
BOOL wsd_extension_result(int error);
/* [lock] */
void wsd_disconnect_begin(struct wsd_socket *sock, bool reuse);

#endif
