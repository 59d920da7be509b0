#ifndef SLUICE_SERVER_SERVE_H
#define SLUICE_SERVER_SERVE_H
/* `sluice serve`: puts everything together, runs until it is told to stop, and takes everything
 * apart again.
 *
 *     config -> store -> loops -> engine -> API -> edges -> listeners
 *     (built in this order, undone in reverse)
 *
 * The main thread has a loop of its own: it accepts connections and hears the signals. SIGTERM and
 * SIGINT drain: no new runs, those under way get drain_ms, then everything is parked for the next
 * start; a second one does not wait. SIGHUP reads the configuration again (server/reload.c). */
#include "config/config.h"

/* How the configuration is read again; in place while the gateway runs. */
struct serve_options {
    const char *path; /* NULL: there is no file */
    const struct config_overrides *overrides;
};

/* The exit code. The configuration is taken over. */
int serve(struct config *config, const struct serve_options *options);
#endif
