# SPDX-License-Identifier: BSD-2-Clause
# libevent.cmake - what libevent's CMake would ask Debian's mingw-w64 for 64 bits, a build for each question, one after the
# other: which took longer than to build libevent.

# What there is and what not.
foreach(name IN ITEMS
	AFUNIX_H ERRNO_H FCNTL_H GETADDRINFO GETHOSTBYNAME GETNAMEINFO GETPROTOBYNUMBER GETSERVBYNAME GETTIMEOFDAY
	INET_NTOP INET_PTON INTTYPES_H IO_H MEMORY_H PUTENV SIGNAL SIGNAL_H STDARG_H STDDEF_H STDINT_H STDLIB_H
	STRING_H STRTOK_R STRTOLL STRUCT_SOCKADDR_STORAGE_SS_FAMILY SYS_PARAM_H SYS_STAT_H SYS_TIME_H SYS_TYPES_H
	TIMERCLEAR TIMERCMP TIMERISSET TIME_H UMASK UNISTD_H WINSOCK2_H WS2TCPIP_H _GMTIME64 _GMTIME64_S __FUNCTION__
	__func__)
	set(EVENT__HAVE_${name} 1 CACHE INTERNAL "")
endforeach()
foreach(name IN ITEMS
	CLOCK_GETTIME DECL_CTL_KERN DECL_KERN_ARND NANOSLEEP SETFD SPLICE STRLCPY STRSEP STRUCT_IN6_ADDR_S6_ADDR16
	STRUCT_IN6_ADDR_S6_ADDR32 STRUCT_SOCKADDR_IN6_SIN6_LEN STRUCT_SOCKADDR_IN_SIN_LEN
	STRUCT_SOCKADDR_STORAGE___SS_FAMILY TAILQFOREACH TIMERADD VASPRINTF)
	set(EVENT__HAVE_${name} 0 CACHE INTERNAL "")
endforeach()
foreach(name IN ITEMS INLINE STDDEF_H STDINT_H SYS_TYPES_H)
	set(HAVE_${name} 1 CACHE INTERNAL "")
endforeach()

# Flags of the compiler.
foreach(name IN ITEMS
	Waddress Wall Wdeclaration_after_statement Wextra Winit_self Wlogical_op Wmissing_field_initializers
	Wmissing_prototypes Wno_unused_parameter Wnormalized_id Woverride_init Wstrict_aliasing Wstrict_prototypes
	Wwrite_strings fdiagnostics_color_always fno_strict_aliasing)
	set(check_c_compiler_flag__${name} 1 CACHE INTERNAL "")
endforeach()

# Sizes of types; 0 is none of that name.
function(size_of bytes)
	foreach(name IN LISTS ARGN)
		if(bytes EQUAL 0)
			set(HAVE_EVENT__${name} FALSE CACHE INTERNAL "")
			set(EVENT__${name} "" CACHE INTERNAL "")
		else()
			set(HAVE_EVENT__${name} TRUE CACHE INTERNAL "")
			set(EVENT__${name} ${bytes} CACHE INTERNAL "")
		endif()
	endforeach()
endfunction()
size_of(0
	HAVE_FD_MASK HAVE_SA_FAMILY_T SIZEOF_PTHREAD_T)
size_of(1
	HAVE_UINT8_T)
size_of(2
	HAVE_UINT16_T SIZEOF_SHORT)
size_of(4
	HAVE_STRUCT_LINGER HAVE_UINT32_T SIZEOF_INT SIZEOF_LONG SIZEOF_OFF_T SIZEOF_SOCKLEN_T SIZEOF_UNSIGNED
	SIZEOF_UNSIGNED_INT)
size_of(8
	HAVE_UINT64_T HAVE_UINTPTR_T SIZEOF_LONG_LONG SIZEOF_PID_T SIZEOF_SIZE_T SIZEOF_SSIZE_T_LOWER
	SIZEOF_SSIZE_T_UPPER SIZEOF_TIME_T SIZEOF_VOID_P)
size_of(16
	HAVE_STRUCT_IN6_ADDR)
size_of(28
	HAVE_STRUCT_SOCKADDR_IN6)
size_of(48
	HAVE_STRUCT_ADDRINFO)
size_of(110
	HAVE_STRUCT_SOCKADDR_UN)
size_of(128
	HAVE_STRUCT_SOCKADDR_STORAGE)
