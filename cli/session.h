#ifndef SLUICE_CLI_SESSION_H
#define SLUICE_CLI_SESSION_H
/* What every command that asks the gateway has: a client, a screen, and requests whose failure is
 * said at once.
 *
 * Made and ended by session_run, which is all that a command's `run` has to call. Functions that
 * answer false have said why on standard error and set the exit code. One thread. */
#include "base/json.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/screen.h"

struct session {
    struct client *client;
    struct screen screen;
};

/* An answer's JSON. Life: session_ask or session_get, document_fini. */
struct document {
    struct buf text;
    struct json_doc doc;
};

/* What a command does with its session; returns the exit code. */
typedef int session_fn(struct session *s, const struct options *options);

/* Opens a session, acts, closes it. Returns the exit code. */
int session_run(const struct options *options, session_fn *act);

/* The same for a command whose first argument is a run: `act` is called only if it is an id. */
int session_run_on_id(const struct options *options, session_fn *act);

/* On success `ret` holds the answer's document. */
bool session_ask(struct session *s, const struct client_request *request, struct document *ret,
                 int *ret_exit);

/* The same where nothing of the answer is wanted but that it is good. */
bool session_order(struct session *s, const struct client_request *request, int *ret_exit);

/* GET of `path`. */
bool session_get(struct session *s, const char *path, struct document *ret, int *ret_exit);

/* Says "error: .." and gives the exit code that goes with `e`. */
int session_fail(struct session *s, enum err e, const struct error *error);

/* A value on a line of standard output: as it came, or spread out and made harmless where that is a
 * terminal. */
void session_print_json(struct session *s, struct json v);

/* Text on standard output, as it is in `b`; counts as lost where that has failed. */
void session_print(struct session *s, const struct buf *b);

/* The exit code of a command that has printed all it had to: `code`, unless it is success and
 * output was lost. */
int session_end(struct session *s, int code);

struct json document_root(const struct document *d);
void document_fini(struct document *d);

/* "/v1/runs/ID" and what follows, with the id encoded; a string that ends with a NUL, ERR_NOMEM
 * shows in `b`. */
void session_run_path(struct buf *b, const char *run_id, const char *suffix);
#endif
