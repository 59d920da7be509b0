#include "config/findings.h"

#include "base/json.h"

void findings_init(struct findings *f, const char *source, struct str text)
{
    f->source = source;
    f->text = text;
    f->count = f->dropped = 0; /* the entries are large, and each is written whole */
}

/* Behind all that stand before it or at the same place. */
static uint32_t place_of(const struct findings *f, size_t offset)
{
    uint32_t i = f->count;
    while (i > 0 && f->list[i - 1].offset > offset)
        i--;
    return i;
}

/* A name from the file may hold anything; a terminal should not obey it. */
static void set_text(struct finding *finding, struct str what)
{
    str_copy(finding->text, sizeof finding->text, what);
    for (char *c = finding->text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            *c = '?';
    }
}

void findings_add(struct findings *f, const char *at, struct str what)
{
    size_t offset = at != NULL ? (size_t)(at - f->text.at) : 0;
    uint32_t i = place_of(f, offset);
    f->dropped += f->count == FINDINGS_MAX;
    if (i == FINDINGS_MAX)
        return;
    f->count += f->count < FINDINGS_MAX;
    memmove(&f->list[i + 1], &f->list[i], (f->count - 1 - i) * sizeof f->list[0]);
    f->list[i].offset = offset;
    f->list[i].has_place = at != NULL;
    set_text(&f->list[i], what);
}

void findings_write(const struct findings *f, struct buf *out)
{
    for (uint32_t i = 0; i < f->count; i++) {
        const struct finding *finding = &f->list[i];
        struct json_fault place = json_fault_at(f->text, finding->offset, NULL);
        if (finding->has_place)
            buf_addf(out, "%s:%u:%u: ", f->source, place.line, place.column);
        buf_addf(out, "%s\n", finding->text);
    }
    if (f->dropped > 0)
        buf_addf(out, "and %u more\n", (unsigned)f->dropped);
}
