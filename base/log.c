#include "base/log.h"

#include <stdatomic.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

static atomic_int configured_format = LOG_LOGFMT;
static atomic_int configured_level = LOG_INFO;
static atomic_int output_fd = STDERR_FILENO;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_configure(enum log_format format, enum log_level level)
{
    atomic_store(&configured_format, (int)format);
    atomic_store(&configured_level, (int)level);
}

bool log_is_on(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&configured_level, memory_order_relaxed);
}

void log_to_fd(int fd)
{
    atomic_store(&output_fd, fd);
}

/* A control character at `p`, also one beyond ASCII: U+0080 to U+009F move a terminal, U+2028 and
 * U+2029 end a line for some readers. Returns its length and code, 0 if it is none. */
static size_t control_at(const uint8_t *p, size_t left, unsigned *ret_code)
{
    *ret_code = p[0];
    if (p[0] < 0x20 || p[0] == 0x7F)
        return 1;
    *ret_code = left >= 2 ? p[1] : 0;
    if (p[0] == 0xC2 && left >= 2 && p[1] < 0xA0)
        return 2;
    *ret_code = left >= 3 ? 0x2000u + (p[2] & 0x3Fu) : 0;
    return left >= 3 && p[0] == 0xE2 && p[1] == 0x80 && (p[2] == 0xA8 || p[2] == 0xA9) ? 3 : 0;
}

/* Valid UTF-8, inside quotes, as JSON would: both formats share it, since logfmt readers unescape
 * the same way. */
static void add_escaped(struct buf *b, struct str s)
{
    size_t control;
    for (size_t i = 0; i < s.len; i += control ? control : 1) {
        unsigned code;
        control = control_at((const uint8_t *)s.at + i, s.len - i, &code);
        if (control == 0 && (s.at[i] == '"' || s.at[i] == '\\'))
            buf_add_char(b, '\\');
        if (control == 0)
            buf_add_char(b, s.at[i]);
        else if (code == '\n')
            buf_add_lit(b, "\\n");
        else
            buf_addf(b, "\\u%04x", code);
    }
}

/* May it stand without quotes? ASCII only: what is beyond is checked and escaped between them. */
static bool is_plain(struct str s)
{
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.at[i];
        if (c <= 0x20 || c >= 0x7F || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return true;
}

static void add_text(struct buf *b, struct str s, enum log_format format)
{
    if (s.len > LOG_VALUE_MAX)
        s.len = str_utf8_floor(s.at, LOG_VALUE_MAX);
    if (format == LOG_LOGFMT && is_plain(s)) {
        buf_add_str(b, s);
        return;
    }
    buf_add_char(b, '"');
    if (str_is_utf8(s))
        add_escaped(b, s);
    else
        buf_add_lit(b, "(not UTF-8)");
    buf_add_char(b, '"');
}

static void add_field(struct buf *b, const struct log_field *f, enum log_format format)
{
    if (format == LOG_JSON)
        buf_addf(b, ",\"%s\":", f->key);
    else
        buf_addf(b, " %s=", f->key);
    switch (f->kind) {
    case LOG_FIELD_STR: add_text(b, f->s, format); break;
    case LOG_FIELD_INT: buf_add_i64(b, f->i); break;
    case LOG_FIELD_UINT: buf_add_u64(b, f->u); break;
    }
}

void log_write(enum log_level level, const struct log_field *fields, size_t count)
{
    enum log_format format = (enum log_format)atomic_load(&configured_format);
    char at[CLOCK_TEXT];
    clock_format(clock_wall_ms(NULL), at);
    struct buf b;
    buf_init(&b, 65536);
    if (format == LOG_JSON)
        buf_addf(&b, "{\"time\":\"%.*s\",\"level\":\"%s\"", CLOCK_TEXT, at, level_names[level]);
    else
        buf_addf(&b, "time=%.*s level=%s", CLOCK_TEXT, at, level_names[level]);
    for (size_t i = 0; i < count; i++)
        add_field(&b, &fields[i], format);
    if (format == LOG_JSON)
        buf_add_char(&b, '}');
    buf_add_char(&b, '\n');
    /* A log that cannot be written has nowhere to say so. */
    IGNORE_RESULT(buf_ok(&b) == OK && write(atomic_load(&output_fd), b.data, b.len) < 0);
    buf_fini(&b);
}
