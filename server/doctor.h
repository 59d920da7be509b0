#ifndef SLUICE_SERVER_DOCTOR_H
#define SLUICE_SERVER_DOCTOR_H
/* `sluice doctor`: whether this machine, its configuration and its database are fit to serve, a
 * line for each thing. Changes nothing. One thread; blocks while it looks. */
#include "config/config.h"

/* Does a gateway answer at this address? OK; ERR_IO: nobody does; any other: not as it should. */
typedef enum err doctor_reach_fn(const char *address, struct error *ret_error);

struct doctor_options {
    const char *config; /* the file; NULL: none */
    const struct config_overrides *overrides;
    const char *address; /* of the gateway; NULL: the first that the configuration says */
    doctor_reach_fn *reach;
};

/* Prints to standard output. Returns the exit code: 0 where all is fine, 1 where something is not.
 */
int doctor(const struct doctor_options *options);
#endif
