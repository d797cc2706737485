/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wsatypes.h - the basic Windows types, with the widths they have on Windows.
 *
 * DWORD, LONG, ULONG and u_long are 32 bits wide and WCHAR is 16 bits wide on every platform, so
 * that structures keep their documented layout. A wide literal is written WSD_L("text"): it is
 * u"text" here and would be L"text" on Windows.
 */
#ifndef OPENWSD_WSATYPES_H
#define OPENWSD_WSATYPES_H

#ifdef _WIN32
#error "these headers stand in for the Windows SDK where there is none; use the SDK on Windows"
#endif

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define WSD_DECLS_BEGIN                                    \
	_Pragma("GCC visibility push(default)") extern "C" \
	{
#define WSD_DECLS_END \
	}             \
	_Pragma("GCC visibility pop")
#define WSD_STATIC_ASSERT(cond, text) static_assert(cond, text)
#else
#define WSD_DECLS_BEGIN		      _Pragma("GCC visibility push(default)")
#define WSD_DECLS_END		      _Pragma("GCC visibility pop")
#define WSD_STATIC_ASSERT(cond, text) _Static_assert(cond, text)
#endif

/* One calling convention here; the words keep Windows sources unchanged. */
#define WSAAPI
#define WSPAPI
#define WINAPI
#define APIENTRY
#define PASCAL
#define CALLBACK
#define FAR

#ifndef VOID
#define VOID void
#endif
#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif

typedef int BOOL;
typedef char CHAR;
typedef unsigned char UCHAR;
typedef unsigned char BYTE;
typedef short SHORT;
typedef unsigned short USHORT;
typedef unsigned short WORD;
typedef int INT;
typedef unsigned int UINT;
typedef int32_t LONG;
typedef uint32_t ULONG;
typedef uint32_t DWORD;
typedef uint16_t UINT16;
typedef uint32_t UINT32;
typedef uint64_t UINT64;
typedef int64_t LONGLONG;
typedef uint64_t ULONGLONG;
typedef uint64_t DWORD64;
typedef intptr_t INT_PTR;
typedef uintptr_t UINT_PTR;
typedef intptr_t LONG_PTR;
typedef uintptr_t ULONG_PTR;
typedef uintptr_t DWORD_PTR;
typedef size_t SIZE_T;
typedef UINT_PTR WPARAM;
typedef LONG_PTR LPARAM;

#ifdef __cplusplus
typedef char16_t WCHAR;
#else
typedef uint16_t WCHAR;
#endif
#define WSD_L(text) u##text

typedef void *PVOID;
typedef void *LPVOID;
typedef const void *LPCVOID;
typedef void *HANDLE;
typedef HANDLE *PHANDLE;
typedef HANDLE *LPHANDLE;
typedef HANDLE HWND;
typedef HANDLE HMODULE;
typedef BOOL *LPBOOL;
typedef BYTE *PBYTE;
typedef BYTE *LPBYTE;
typedef INT *PINT;
typedef INT *LPINT;
typedef LONG *PLONG;
typedef LONG *LPLONG;
typedef ULONG *PULONG;
typedef WORD *LPWORD;
typedef DWORD *PDWORD;
typedef DWORD *LPDWORD;
typedef DWORD_PTR *PDWORD_PTR;
typedef ULONG_PTR *PULONG_PTR;
typedef SIZE_T *PSIZE_T;
typedef CHAR *PSTR;
typedef CHAR *LPSTR;
typedef const CHAR *PCSTR;
typedef const CHAR *LPCSTR;
typedef WCHAR *PWSTR;
typedef WCHAR *LPWSTR;
typedef const WCHAR *PCWSTR;
typedef const WCHAR *LPCWSTR;

typedef struct _GUID {
	uint32_t Data1;
	uint16_t Data2;
	uint16_t Data3;
	uint8_t Data4[8];
} GUID;
typedef GUID *LPGUID;
typedef const GUID *LPCGUID;

/* LowPart first: x86 and every other Windows target is little-endian. */
typedef union _LARGE_INTEGER {
	__extension__ struct {
		DWORD LowPart;
		LONG HighPart;
	};
	struct {
		DWORD LowPart;
		LONG HighPart;
	} u;
	LONGLONG QuadPart;
} LARGE_INTEGER;
typedef LARGE_INTEGER *PLARGE_INTEGER;

#define INVALID_HANDLE_VALUE ((HANDLE)(LONG_PTR)-1)
#define MAKEWORD(low, high)  ((WORD)(((DWORD)(BYTE)(low)) | ((DWORD)(BYTE)(high) << 8)))
#define LOBYTE(word)	     ((BYTE)((word)&0xff))
#define HIBYTE(word)	     ((BYTE)(((word) >> 8) & 0xff))

WSD_STATIC_ASSERT(sizeof(DWORD) == 4 && sizeof(LONG) == 4 && sizeof(BOOL) == 4, "32-bit types");
WSD_STATIC_ASSERT(sizeof(WCHAR) == 2, "WCHAR is UTF-16");
WSD_STATIC_ASSERT(sizeof(GUID) == 16, "GUID layout");
WSD_STATIC_ASSERT(sizeof(LARGE_INTEGER) == 8, "LARGE_INTEGER layout");

#endif
