#ifndef SLUICE_CLI_BODY_H
#define SLUICE_CLI_BODY_H
/* The body of a create request (API §1), from a file or an agent's name and what the command line
 * lays over it.
 *
 * A JSON text that is changed one member at a time; what is not touched stays byte for byte, so
 * that numbers keep their digits. Life: body_init, sets, body_fini. Bound: BODY_MAX_BYTES,
 * BODY_MAX_DEPTH parts of a dotted key. One thread. */
#include "base/buf.h"
#include "base/json.h"

enum { BODY_MAX_BYTES = 256 << 20, BODY_MAX_DEPTH = 16 };

struct body {
    struct buf text; /* a JSON object */
};

void body_init(struct body *b); /* {} */
void body_fini(struct body *b);

/* Starts from a file's content. ERR_INVALID_REQUEST with line and column where it is no JSON
 * object. */
enum err body_load(struct body *b, struct str json, struct error *ret_error) MUST_CHECK;

/* The same from a file, or standard input where `path` is "-"; the message names the file. */
enum err body_load_file(struct body *b, const char *path, struct error *ret_error) MUST_CHECK;

/* A tree of tasks alone, known by its `type`, becomes the task of a run. Of a workflow's document
 * the description goes, which no run has. */
enum err body_take_tree(struct body *b, struct error *ret_error) MUST_CHECK;

/* Sets the member that `path` names, one name a level, to a JSON value; objects on the way are
 * made, what else stands there is replaced. ERR_LIMIT, ERR_NOMEM. */
enum err body_set(struct body *b, const struct str *path, size_t depth, struct str json) MUST_CHECK;

/* The same for a member of the root. */
enum err body_set_text(struct body *b, const char *name, struct str text,
                       struct error *ret_error) MUST_CHECK;
enum err body_set_json(struct body *b, const char *name, struct str json,
                       struct error *ret_error) MUST_CHECK;
enum err body_set_number(struct body *b, const char *name, uint64_t value,
                         struct error *ret_error) MUST_CHECK;

/* `--param sim.gap_ms=5`: sets /params/sim/gap_ms. The value is JSON if it parses, a string
 * otherwise. */
enum err body_set_param(struct body *b, struct str key, struct str value,
                        struct error *ret_error) MUST_CHECK;

/* `--metadata team=blue`: keys are not taken apart, values are strings. */
enum err body_set_metadata(struct body *b, struct str key, struct str value,
                           struct error *ret_error) MUST_CHECK;
#endif
