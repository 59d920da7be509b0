#ifndef SLUICE_BASE_JSON_LEX_H
#define SLUICE_BASE_JSON_LEX_H
/* One string, number or word of JSON, checked byte by byte. Private to json_scan.c; no state but
 * where it failed. */
#include <stdbool.h>
#include <stdint.h>

struct json_lex {
    const uint8_t *end;      /* of the text */
    const uint8_t *fault_at; /* the first offending byte; `end` where the text ends too early */
    const char *what;        /* static text */
};

/* Each gets where its value begins and returns what follows it; NULL after filling in the fault. */

const uint8_t *json_lex_string(struct json_lex *x, const uint8_t *quote, bool *ret_escaped);
const uint8_t *json_lex_number(struct json_lex *x, const uint8_t *start); /* at a minus or digit */
const uint8_t *json_lex_word(struct json_lex *x, const uint8_t *start, const char *word);

/* Fills in the fault, says "the text ends too early" where `at` is its end, and returns NULL. */
const uint8_t *json_lex_fail(struct json_lex *x, const uint8_t *at, const char *what);
#endif
