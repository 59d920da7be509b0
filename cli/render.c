#include "cli/render.h"

#include <time.h>

#include "base/clock.h"
#include "base/json_tree.h"
#include "base/utf8.h"

/* --- characters ------------------------------------------------------------------------------- */

/* The valid character at `p`, which takes `n` bytes. */
static uint32_t decode(const uint8_t *p, size_t n)
{
    static const uint8_t lead[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t code = p[0] & lead[n];
    for (size_t i = 1; i < n; i++)
        code = code << 6 | (p[i] & 0x3F);
    return code;
}

struct range {
    uint32_t first, last;
};

static bool is_in(const struct range *ranges, size_t count, uint32_t code)
{
    for (size_t i = 0; i < count; i++) {
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    }
    return false;
}

/* Control characters (C0, DEL, C1), and what changes the direction or the line of the text around
 * it: a name that shows other than it is, Boucher and Anderson, Trojan Source, 2021. */
static bool is_harmful(uint32_t code)
{
    static const struct range ranges[] = {
        {0x00, 0x08},     {0x0B, 0x1F},     {0x7F, 0x9F},     {0x061C, 0x061C},   {0x200E, 0x200F},
        {0x2028, 0x202E}, {0x2066, 0x2069}, {0xFFF9, 0xFFFB}, {0xE0000, 0xE007F},
    };
    return is_in(ranges, sizeof ranges / sizeof ranges[0], code);
}

static void add_safe(struct buf *b, struct str text, bool on_one_line)
{
    const uint8_t *p = (const uint8_t *)text.at, *end = p + text.len;
    while (p < end) {
        size_t n = utf8_char_len(p, (size_t)(end - p));
        uint32_t code = n > 0 ? decode(p, n) : 0xFFFD;
        if (n == 0)
            buf_add_lit(b, "\xEF\xBF\xBD");
        else if (on_one_line && (code == '\n' || code == '\t'))
            buf_add_char(b, ' ');
        else if (!is_harmful(code))
            buf_add(b, p, n);
        p += n > 0 ? n : 1;
    }
}

void render_safe(struct buf *b, struct str text)
{
    if (text.len > 0)
        add_safe(b, text, false);
}

void render_line(struct buf *b, struct str text)
{
    if (text.len > 0)
        add_safe(b, text, true);
}

/* Near enough to Unicode's East Asian Width for aligning; wcwidth would depend on the locale. */
static uint32_t width_of(uint32_t code)
{
    static const struct range none[] = {
        {0x0300, 0x036F}, {0x200B, 0x200D}, {0x20D0, 0x20F0}, {0xFE00, 0xFE0F}};
    static const struct range wide[] = {
        {0x1100, 0x115F}, {0x2E80, 0xA4CF},   {0xAC00, 0xD7A3},
        {0xF900, 0xFAFF}, {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},
        {0xFFE0, 0xFFE6}, {0x1F300, 0x1FAFF}, {0x20000, 0x3FFFD},
    };
    if (code < 0x0300)
        return 1;
    if (is_in(none, sizeof none / sizeof none[0], code))
        return 0;
    return is_in(wide, sizeof wide / sizeof wide[0], code) ? 2 : 1;
}

/* Goes over the characters until they take more than `width` columns. */
static size_t measure(struct str text, uint32_t width, uint32_t *ret_used)
{
    const uint8_t *start = (const uint8_t *)text.at, *p = start;
    uint32_t used = 0;
    while (p < start + text.len) {
        size_t n = utf8_char_len(p, (size_t)(start + text.len - p));
        uint32_t w = n > 0 ? width_of(decode(p, n)) : 1;
        if (w > width - used)
            break;
        used += w;
        p += n > 0 ? n : 1;
    }
    *ret_used = used;
    return (size_t)(p - start);
}

uint32_t render_width(struct str text)
{
    uint32_t used = 0;
    if (text.len > 0)
        measure(text, UINT32_MAX, &used);
    return used;
}

size_t render_fit(struct str text, uint32_t width)
{
    uint32_t used;
    return text.len > 0 ? measure(text, width, &used) : 0;
}

/* --- times ------------------------------------------------------------------------------------ */

void render_duration(struct buf *b, int64_t ms)
{
    const int64_t s = 1000, m = 60 * s, h = 60 * m, d = 24 * h;
    if (ms < 0)
        ms = 0;
    if (ms < s)
        buf_addf(b, "%lld ms", (long long)ms);
    else if (ms < m)
        buf_addf(b, "%lld.%lld s", (long long)(ms / s), (long long)(ms % s / 100));
    else if (ms < h)
        buf_addf(b, "%lldm %02llds", (long long)(ms / m), (long long)(ms % m / s));
    else if (ms < d)
        buf_addf(b, "%lldh %02lldm", (long long)(ms / h), (long long)(ms % h / m));
    else
        buf_addf(b, "%lldd %02lldh", (long long)(ms / d), (long long)(ms % d / h));
}

void render_time(struct buf *b, int64_t wall_ms)
{
    time_t t = (time_t)(wall_ms / 1000);
    struct tm local;
    char text[32];
    if (localtime_r(&t, &local) == NULL)
        return;
    size_t n = strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
    buf_add(b, text, n);
}

bool render_read_time(struct json v, int64_t *ret_wall_ms)
{
    struct str raw = json_raw(v);
    return json_is(v, JSON_STRING) &&
           clock_parse((struct str){raw.at + 1, raw.len - 2}, ret_wall_ms);
}

/* --- values ----------------------------------------------------------------------------------- */

void render_value(struct buf *b, struct json v)
{
    struct arena arena;
    struct str s;
    arena_init(&arena, SIZE_MAX);
    if (json_string(v, &arena, &s))
        buf_add_str(b, s);
    else
        json_add_compact(b, v);
    arena_fini(&arena);
}

void render_json(struct buf *b, struct json v)
{
    struct json_tree *tree = json_tree_copy_of(v);
    if (tree == NULL || json_tree_print(tree, 2, b) != OK)
        buf_add_str(b, json_raw(v)); /* there is a NUL in a name, or no memory: then as it is */
    json_tree_destroy(tree);
}

/* "no_free_slot" as words. */
static void add_code(struct buf *b, struct json code)
{
    size_t from = b->len;
    render_value(b, code);
    for (size_t i = from; i < b->len; i++) {
        if (b->data[i] == '_')
            b->data[i] = ' ';
    }
}

void render_reason(struct buf *b, struct json reason, int64_t at_ms)
{
    struct json on = json_get_lit(reason, "blocked_on");
    int64_t until_ms;
    if (!json_is(reason, JSON_OBJECT))
        return;
    add_code(b, json_get_lit(reason, "code"));
    if (json_is(on, JSON_STRING)) {
        buf_add_lit(b, " at ");
        render_value(b, on);
    }
    if (at_ms > 0 && render_read_time(json_get_lit(reason, "until"), &until_ms) &&
        until_ms > at_ms) {
        buf_add_lit(b, " (for ");
        render_duration(b, until_ms - at_ms);
        buf_add_char(b, ')');
    }
}
