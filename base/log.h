#ifndef SLUICE_BASE_LOG_H
#define SLUICE_BASE_LOG_H
/* One line for each thing worth knowing, as key=value (logfmt) or JSON, on standard error.
 *
 *     log_info(log_msg("store opened"), log_s("path", path), log_u("epoch", epoch));
 *
 * The layer that decides logs once; lower layers return errors. Secrets are never passed in. Any
 * thread: a line is one write(2). Values are escaped, so that hostile text cannot forge a line, and
 * cut at LOG_VALUE_MAX bytes. */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum { LOG_VALUE_MAX = 1024 };

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

/* Set once before the threads start, and by a reload. */
void log_configure(enum log_format format, enum log_level level);
bool log_is_on(enum log_level level);

/* Where the lines go; 2 unless a test says otherwise. */
void log_to_fd(int fd);

struct log_field {
    const char *key;
    enum { LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_UINT } kind;
    struct str s;
    int64_t i;
    uint64_t u;
};

static inline struct log_field log_str(const char *key, struct str value)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_STR, .s = value};
}
static inline struct log_field log_s(const char *key, const char *value)
{
    return log_str(key, str_of(value));
}
static inline struct log_field log_i(const char *key, int64_t value)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_INT, .i = value};
}
static inline struct log_field log_u(const char *key, uint64_t value)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_UINT, .u = value};
}
static inline struct log_field log_msg(const char *text)
{
    return log_s("msg", text);
}

void log_write(enum log_level level, const struct log_field *fields, size_t count);

#define LOG_AT_(level, ...)                                                                        \
    do {                                                                                           \
        if (log_is_on(level)) {                                                                    \
            const struct log_field fields_[] = {__VA_ARGS__};                                      \
            log_write(level, fields_, sizeof fields_ / sizeof fields_[0]);                         \
        }                                                                                          \
    } while (0)

#define log_debug(...) LOG_AT_(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  LOG_AT_(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  LOG_AT_(LOG_WARN, __VA_ARGS__)
#define log_error(...) LOG_AT_(LOG_ERROR, __VA_ARGS__)
#endif
