#include "cli/lines.h"

#include "cli/render.h"

void lines_init(struct lines *l)
{
    *l = (struct lines){.count = 0};
    buf_init(&l->text, SIZE_MAX);
}

void lines_fini(struct lines *l)
{
    buf_fini(&l->text);
}

void lines_clear(struct lines *l)
{
    buf_clear(&l->text);
    l->count = 0;
}

void lines_begin(struct lines *l, enum tone tone)
{
    buf_add_char(&l->text, (char)('a' + tone));
    l->start = l->text.len;
}

void lines_end(struct lines *l, uint32_t width)
{
    struct str text = {l->text.data + l->start, l->text.len - l->start};
    if (l->text.failed)
        return;
    if (width > 0 && render_width(text) > width) {
        l->text.len = l->start + render_fit(text, width - 1);
        buf_add_lit(&l->text, "\xE2\x80\xA6"); /* an ellipsis */
    }
    buf_add_char(&l->text, '\n');
    l->count++;
}

bool lines_next(struct str *lines, enum tone *ret_tone, struct str *ret_text)
{
    if (lines->len == 0)
        return false;
    *ret_tone = (enum tone)(lines->at[0] - 'a');
    lines->at++;
    lines->len--;
    *ret_text = str_cut(lines, '\n');
    return true;
}
