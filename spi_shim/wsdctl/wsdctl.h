/* SPDX-License-Identifier: BSD-2-Clause */
/* wsdctl.h - the subcommands. Each gets its own name as argv[0] and returns the exit status. */
#ifndef WSD_WSDCTL_H
#define WSD_WSDCTL_H

#include <stdbool.h>

enum wsdctl_exit { WSDCTL_OK = 0, WSDCTL_FAILED = 1, WSDCTL_USAGE = 2 };

/* The program; on Windows the arguments are UTF-8. */
int wsdctl_main(int argc, char **argv);

int wsdctl_info(int argc, char **argv);
int wsdctl_params(int argc, char **argv);
int wsdctl_rules(int argc, char **argv);
int wsdctl_sockets(int argc, char **argv);
int wsdctl_bench(int argc, char **argv);
/* One end of a measured pair; bench starts it and talks to it over descriptor argv[1]. */
int wsdctl_bench_worker(int argc, char **argv);

/* Windows only. */
int wsdctl_install(int argc, char **argv);
int wsdctl_uninstall(int argc, char **argv);
int wsdctl_status(int argc, char **argv);
int wsdctl_doctor(int argc, char **argv);

/* Of the command of that name: the file that its one argument names, if there is one. False: a wrong use, of which it
 * has told. */
bool wsdctl_take_file(const char *name, int argc, char **argv);
/* Behind the name of the file: " (not there)", or nothing. */
const char *wsdctl_no_file(void);
/* What is wrong with the file and with the names in the environment, to standard error. */
void wsdctl_print_problems(void);

#endif
