/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mswsock.h - the Microsoft extensions: AcceptEx, ConnectEx, DisconnectEx, TransmitFile and others.
 */
#ifndef OPENWSD_MSWSOCK_H
#define OPENWSD_MSWSOCK_H

#include "winsock2.h"

#define SO_CONNDATA		  0x7000
#define SO_CONNOPT		  0x7001
#define SO_DISCDATA		  0x7002
#define SO_DISCOPT		  0x7003
#define SO_CONNDATALEN		  0x7004
#define SO_CONNOPTLEN		  0x7005
#define SO_DISCDATALEN		  0x7006
#define SO_DISCOPTLEN		  0x7007
#define SO_OPENTYPE		  0x7008
#define SO_SYNCHRONOUS_ALERT	  0x10
#define SO_SYNCHRONOUS_NONALERT	  0x20
#define SO_MAXDG		  0x7009
#define SO_MAXPATHDG		  0x700A
#define SO_UPDATE_ACCEPT_CONTEXT  0x700B
#define SO_CONNECT_TIME		  0x700C
#define SO_UPDATE_CONNECT_CONTEXT 0x7010

#define SIO_UDP_CONNRESET     _WSAIOW(IOC_VENDOR, 12)
#define SIO_BSP_HANDLE	      _WSAIOR(IOC_WS2, 27)
#define SIO_BSP_HANDLE_SELECT _WSAIOR(IOC_WS2, 28)
#define SIO_BSP_HANDLE_POLL   _WSAIOR(IOC_WS2, 29)
#define SIO_BASE_HANDLE	      _WSAIOR(IOC_WS2, 34)

#define MSG_TRUNC  0x0100
#define MSG_CTRUNC 0x0200

#define TF_DISCONNECT	      0x01
#define TF_REUSE_SOCKET	      0x02
#define TF_WRITE_BEHIND	      0x04
#define TF_USE_DEFAULT_WORKER 0x00
#define TF_USE_SYSTEM_THREAD  0x10
#define TF_USE_KERNEL_APC     0x20
#define DE_REUSE_SOCKET	      TF_REUSE_SOCKET

#define TP_ELEMENT_MEMORY     1
#define TP_ELEMENT_FILE	      2
#define TP_ELEMENT_EOP	      4
#define TP_DISCONNECT	      TF_DISCONNECT
#define TP_REUSE_SOCKET	      TF_REUSE_SOCKET
#define TP_USE_DEFAULT_WORKER TF_USE_DEFAULT_WORKER
#define TP_USE_SYSTEM_THREAD  TF_USE_SYSTEM_THREAD
#define TP_USE_KERNEL_APC     TF_USE_KERNEL_APC

typedef struct _TRANSMIT_FILE_BUFFERS {
	LPVOID Head;
	DWORD HeadLength;
	LPVOID Tail;
	DWORD TailLength;
} TRANSMIT_FILE_BUFFERS, *PTRANSMIT_FILE_BUFFERS, *LPTRANSMIT_FILE_BUFFERS;

typedef struct _TRANSMIT_PACKETS_ELEMENT {
	ULONG dwElFlags;
	ULONG cLength;
	__extension__ union {
		__extension__ struct {
			LARGE_INTEGER nFileOffset;
			HANDLE hFile;
		};
		PVOID pBuffer;
	};
} TRANSMIT_PACKETS_ELEMENT, *PTRANSMIT_PACKETS_ELEMENT, *LPTRANSMIT_PACKETS_ELEMENT;

#define WSD_MSWSOCK_GUID(first)                                        \
	{                                                              \
		first, 0xCBAC, 0x11CF,                                 \
		{                                                      \
			0x95, 0xCA, 0x00, 0x80, 0x5F, 0x48, 0xA1, 0x92 \
		}                                                      \
	}
#define WSAID_TRANSMITFILE	   WSD_MSWSOCK_GUID(0xB5367DF0)
#define WSAID_ACCEPTEX		   WSD_MSWSOCK_GUID(0xB5367DF1)
#define WSAID_GETACCEPTEXSOCKADDRS WSD_MSWSOCK_GUID(0xB5367DF2)
#define WSAID_CONNECTEX                                                \
	{                                                              \
		0x25A207B9, 0xDDF3, 0x4660,                            \
		{                                                      \
			0x8E, 0xE9, 0x76, 0xE5, 0x8C, 0x74, 0x06, 0x3E \
		}                                                      \
	}
#define WSAID_DISCONNECTEX                                             \
	{                                                              \
		0x7FDA2E11, 0x8630, 0x436F,                            \
		{                                                      \
			0xA0, 0x31, 0xF5, 0x36, 0xA6, 0xEE, 0xC1, 0x57 \
		}                                                      \
	}
#define WSAID_TRANSMITPACKETS                                          \
	{                                                              \
		0xD9689DA0, 0x1F90, 0x11D3,                            \
		{                                                      \
			0x99, 0x71, 0x00, 0xC0, 0x4F, 0x68, 0xC8, 0x76 \
		}                                                      \
	}
#define WSAID_WSARECVMSG                                               \
	{                                                              \
		0xF689D7C8, 0x6F1F, 0x436B,                            \
		{                                                      \
			0x8A, 0x53, 0xE5, 0x4F, 0xE3, 0x51, 0xC3, 0x22 \
		}                                                      \
	}
#define WSAID_WSASENDMSG                                               \
	{                                                              \
		0xA441E712, 0x754F, 0x43CA,                            \
		{                                                      \
			0x84, 0xA7, 0x0D, 0xEE, 0x44, 0xCF, 0x60, 0x6D \
		}                                                      \
	}
#define WSAID_WSAPOLL                                                  \
	{                                                              \
		0x18C76F85, 0xDC66, 0x4964,                            \
		{                                                      \
			0x97, 0x2E, 0x23, 0xC2, 0x72, 0x38, 0x31, 0x2B \
		}                                                      \
	}

typedef BOOL(WINAPI *LPFN_TRANSMITFILE)(SOCKET hSocket, HANDLE hFile, DWORD nNumberOfBytesToWrite,
					DWORD nNumberOfBytesPerSend, LPOVERLAPPED lpOverlapped,
					LPTRANSMIT_FILE_BUFFERS lpTransmitBuffers,
					DWORD dwReserved);
typedef BOOL(WINAPI *LPFN_ACCEPTEX)(SOCKET sListenSocket, SOCKET sAcceptSocket,
				    PVOID lpOutputBuffer, DWORD dwReceiveDataLength,
				    DWORD dwLocalAddressLength, DWORD dwRemoteAddressLength,
				    LPDWORD lpdwBytesReceived, LPOVERLAPPED lpOverlapped);
typedef VOID(WINAPI *LPFN_GETACCEPTEXSOCKADDRS)(
	PVOID lpOutputBuffer, DWORD dwReceiveDataLength, DWORD dwLocalAddressLength,
	DWORD dwRemoteAddressLength, struct sockaddr **LocalSockaddr, LPINT LocalSockaddrLength,
	struct sockaddr **RemoteSockaddr, LPINT RemoteSockaddrLength);
typedef BOOL(WINAPI *LPFN_CONNECTEX)(SOCKET s, const struct sockaddr *name, int namelen,
				     PVOID lpSendBuffer, DWORD dwSendDataLength,
				     LPDWORD lpdwBytesSent, LPOVERLAPPED lpOverlapped);
typedef BOOL(WINAPI *LPFN_DISCONNECTEX)(SOCKET s, LPOVERLAPPED lpOverlapped, DWORD dwFlags,
					DWORD dwReserved);
typedef BOOL(WINAPI *LPFN_TRANSMITPACKETS)(SOCKET hSocket, LPTRANSMIT_PACKETS_ELEMENT lpPacketArray,
					   DWORD nElementCount, DWORD nSendSize,
					   LPOVERLAPPED lpOverlapped, DWORD dwFlags);
typedef INT(WINAPI *LPFN_WSARECVMSG)(SOCKET s, LPWSAMSG lpMsg, LPDWORD lpdwNumberOfBytesRecvd,
				     LPWSAOVERLAPPED lpOverlapped,
				     LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine);
typedef INT(WSAAPI *LPFN_WSASENDMSG)(SOCKET s, LPWSAMSG lpMsg, DWORD dwFlags,
				     LPDWORD lpNumberOfBytesSent, LPWSAOVERLAPPED lpOverlapped,
				     LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine);
typedef INT(WSAAPI *LPFN_WSAPOLL)(LPWSAPOLLFD fdarray, ULONG nfds, INT timeout);

WSD_DECLS_BEGIN

/* As mswsock.dll exports them: each fetches the provider's function with WSAIoctl and calls it. */
BOOL WINAPI TransmitFile(SOCKET hSocket, HANDLE hFile, DWORD nNumberOfBytesToWrite,
			 DWORD nNumberOfBytesPerSend, LPOVERLAPPED lpOverlapped,
			 LPTRANSMIT_FILE_BUFFERS lpTransmitBuffers, DWORD dwReserved);
BOOL WINAPI AcceptEx(SOCKET sListenSocket, SOCKET sAcceptSocket, PVOID lpOutputBuffer,
		     DWORD dwReceiveDataLength, DWORD dwLocalAddressLength,
		     DWORD dwRemoteAddressLength, LPDWORD lpdwBytesReceived,
		     LPOVERLAPPED lpOverlapped);
VOID WINAPI GetAcceptExSockaddrs(PVOID lpOutputBuffer, DWORD dwReceiveDataLength,
				 DWORD dwLocalAddressLength, DWORD dwRemoteAddressLength,
				 struct sockaddr **LocalSockaddr, LPINT LocalSockaddrLength,
				 struct sockaddr **RemoteSockaddr, LPINT RemoteSockaddrLength);
/* Windows exports the next three through WSAIoctl only. */
BOOL WINAPI ConnectEx(SOCKET s, const struct sockaddr *name, int namelen, PVOID lpSendBuffer,
		      DWORD dwSendDataLength, LPDWORD lpdwBytesSent, LPOVERLAPPED lpOverlapped);
BOOL WINAPI DisconnectEx(SOCKET s, LPOVERLAPPED lpOverlapped, DWORD dwFlags, DWORD dwReserved);
BOOL WINAPI TransmitPackets(SOCKET hSocket, LPTRANSMIT_PACKETS_ELEMENT lpPacketArray,
			    DWORD nElementCount, DWORD nSendSize, LPOVERLAPPED lpOverlapped,
			    DWORD dwFlags);
int WINAPI WSARecvEx(SOCKET s, char *buf, int len, int *flags);

WSD_DECLS_END

#endif
