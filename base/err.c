#include "base/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

struct err_row {
    const char *code;
    const char *title;
    int status;
    bool retryable;
};

static const struct err_row rows[] = {
#define ERR_ROW(symbol, code, status, retryable, title) {code, title, status, retryable},
    ERR_TABLE(ERR_ROW)
#undef ERR_ROW
};

static const struct err_row *row(enum err e)
{
    assert(e < ERR_COUNT_);
    return &rows[e];
}

const char *err_code(enum err e)
{
    return row(e)->code;
}

int err_status(enum err e)
{
    return row(e)->status;
}

bool err_is_retryable(enum err e)
{
    return row(e)->retryable;
}

const char *err_title(enum err e)
{
    return row(e)->title;
}

enum err err_from_code(const char *code, size_t len)
{
    for (size_t i = 0; i < ERR_COUNT_; i++) {
        if (strlen(rows[i].code) == len && memcmp(rows[i].code, code, len) == 0)
            return (enum err)i;
    }
    return ERR_COUNT_;
}

enum err error_set(struct error *ret, enum err code, const char *format, ...)
{
    if (ret == NULL)
        return code;
    ret->code = code;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(ret->message, sizeof ret->message, format, args);
    va_end(args);
    if (n < 0)
        ret->message[0] = '\0';
    else if ((size_t)n >= sizeof ret->message)
        ret->message[str_utf8_floor(ret->message, sizeof ret->message - 1)] = '\0';
    return code;
}
