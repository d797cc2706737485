/* SPDX-License-Identifier: BSD-2-Clause */
/* provider_guid.h - the provider's GUID in the Winsock catalogue, the same on every system. */
#ifndef WSD_BASE_PROVIDER_GUID_H
#define WSD_BASE_PROVIDER_GUID_H

/* {7D1F0C5A-3B64-4E0B-9A52-6F70656E5753} */
#define WSD_PROVIDER_GUID                                              \
	{                                                              \
		0x7d1f0c5a, 0x3b64, 0x4e0b,                            \
		{                                                      \
			0x9a, 0x52, 0x6f, 0x70, 0x65, 0x6e, 0x57, 0x53 \
		}                                                      \
	}

#endif
