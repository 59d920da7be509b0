#ifndef SLUICE_CONFIG_READER_H
#define SLUICE_CONFIG_READER_H
/* Reading a parsed file into a struct config, as the table (config/schema.h) says.
 *
 * A walk over rows, not over the file: for each row of a section the file's member is read, or else
 * the row's default, which is JSON as well and goes the same way. Mistakes are gathered and the
 * walk goes on, so that all are told at once. Used by config/load.c on its stack; one thread. */
#include "config/config.h"
#include "config/findings.h"
#include "config/schema.h"
#include "model/problem.h"

struct reader {
    struct config *config;
    struct json_doc doc; /* the file */
    struct findings findings;
    struct str kind;       /* of the provider that is being read */
    struct json workflows; /* all of them, while they are read */
    bool no_memory;
};

/* Reads `v` into the field of `base`, the struct of the row's section. `at` is where it stands. */
typedef void reader_fn(struct reader *r, const struct schema_row *row, struct json v,
                       const struct doc_path *at, void *base);

/* All rows of a section. `object` JSON_NONE: nothing of it was written. */
void reader_section(struct reader *r, const char *section, struct json object,
                    const struct doc_path *at, void *base);

/* Says that the value at `path` is wrong: "PATH FORMAT...", at the place of `v` in the file. */
void reader_fault(struct reader *r, struct json v, const struct doc_path *path, const char *format,
                  ...) PRINTF_LIKE(4, 5);

/* The same for all that a checker found; its pointers begin at `root`, the whole file
 * (config/read_problem.c). */
void reader_problem(struct reader *r, struct json root, const struct problem *problem);

/* How many there are so far: whether something was found in between. */
uint32_t reader_faults(const struct reader *r);

/* Zeroed, in the config's arena; NULL is noted. */
void *reader_alloc(struct reader *r, size_t count, size_t size);

/* An array or object of at most row->max, at least row->min; says so if it is not. */
bool reader_count(struct reader *r, const struct schema_row *row, struct json v,
                  enum json_type type, const struct doc_path *at);

/* A string without NUL, of row->min to row->max bytes, copied and terminated. */
bool reader_text(struct reader *r, const struct schema_row *row, struct json v,
                 const struct doc_path *at, struct str *ret);

/* A member's name, copied; it must be one of API §7 (str_is_name). */
bool reader_name(struct reader *r, struct json name, const struct doc_path *object_at,
                 struct str *ret);

/* --- types ------------------------------------------------------------------------------------ */

/* config/read_value.c */
void read_int(struct reader *r, const struct schema_row *row, struct json v,
              const struct doc_path *at, void *base);
void read_days(struct reader *r, const struct schema_row *row, struct json v,
               const struct doc_path *at, void *base);
void read_number(struct reader *r, const struct schema_row *row, struct json v,
                 const struct doc_path *at, void *base);
void read_bool(struct reader *r, const struct schema_row *row, struct json v,
               const struct doc_path *at, void *base);
void read_enum(struct reader *r, const struct schema_row *row, struct json v,
               const struct doc_path *at, void *base);
void read_path(struct reader *r, const struct schema_row *row, struct json v,
               const struct doc_path *at, void *base);
void read_file(struct reader *r, const struct schema_row *row, struct json v,
               const struct doc_path *at, void *base);
void read_base_path(struct reader *r, const struct schema_row *row, struct json v,
                    const struct doc_path *at, void *base);
void read_url(struct reader *r, const struct schema_row *row, struct json v,
              const struct doc_path *at, void *base);
void read_string(struct reader *r, const struct schema_row *row, struct json v,
                 const struct doc_path *at, void *base);
void read_listen(struct reader *r, const struct schema_row *row, struct json v,
                 const struct doc_path *at, void *base);
void read_cidrs(struct reader *r, const struct schema_row *row, struct json v,
                const struct doc_path *at, void *base);

/* config/read_keys.c */
void read_keys(struct reader *r, const struct schema_row *row, struct json v,
               const struct doc_path *at, void *base);
void read_key_name(struct reader *r, const struct schema_row *row, struct json v,
                   const struct doc_path *at, void *base);
void read_digest(struct reader *r, const struct schema_row *row, struct json v,
                 const struct doc_path *at, void *base);
void read_scopes(struct reader *r, const struct schema_row *row, struct json v,
                 const struct doc_path *at, void *base);

/* config/read_providers.c */
void read_providers(struct reader *r, const struct schema_row *row, struct json v,
                    const struct doc_path *at, void *base);
void read_kind(struct reader *r, const struct schema_row *row, struct json v,
               const struct doc_path *at, void *base);

/* config/read_secrets.c */
void read_secret(struct reader *r, const struct schema_row *row, struct json v,
                 const struct doc_path *at, void *base);
void read_secrets(struct reader *r, const struct schema_row *row, struct json v,
                  const struct doc_path *at, void *base);
void read_signing_key(struct reader *r, const struct schema_row *row, struct json v,
                      const struct doc_path *at, void *base);
void read_headers(struct reader *r, const struct schema_row *row, struct json v,
                  const struct doc_path *at, void *base);
void read_query(struct reader *r, const struct schema_row *row, struct json v,
                const struct doc_path *at, void *base);

/* config/read_http.c */
void read_pointer(struct reader *r, const struct schema_row *row, struct json v,
                  const struct doc_path *at, void *base);
void read_template(struct reader *r, const struct schema_row *row, struct json v,
                   const struct doc_path *at, void *base);
void read_words(struct reader *r, const struct schema_row *row, struct json v,
                const struct doc_path *at, void *base);
void read_codes(struct reader *r, const struct schema_row *row, struct json v,
                const struct doc_path *at, void *base);

/* config/read_definitions.c */
void read_agents(struct reader *r, const struct schema_row *row, struct json v,
                 const struct doc_path *at, void *base);
void read_workflows(struct reader *r, const struct schema_row *row, struct json v,
                    const struct doc_path *at, void *base);
#endif
