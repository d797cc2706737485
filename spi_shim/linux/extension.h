/* SPDX-License-Identifier: BSD-2-Clause */
/* extension.h - function pointers fetched by ioctl are replaced by the exported functions. */
#ifndef WSD_LINUX_EXTENSION_H
#define WSD_LINUX_EXTENSION_H

/*
 * After a successful SIO_GET_EXTENSION_FUNCTION_POINTER: if guid is one of the functions of
 * mswsock.h, *function becomes the one exported here, which brackets the provider's
 * (wsd_call_begin).
 */
void wsd_extension_wrap(const void *guid, void *function);

#endif
