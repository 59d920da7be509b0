#include "model/task_result.h"

#include "base/json.h"

static struct str value_of(const struct task_outcome *o)
{
    return o->output.at != NULL ? o->output : STR("null");
}

void task_result_write_list(struct buf *b, const struct task_outcome *children, uint32_t count)
{
    buf_add_char(b, '[');
    for (uint32_t i = 0; i < count; i++) {
        json_add_comma(b);
        buf_add_str(b, value_of(&children[i]));
    }
    buf_add_char(b, ']');
}

static void write_settled(struct buf *b, const struct task_outcome *o)
{
    bool is_rejected = o->error.at != NULL;
    buf_add_str(b, is_rejected ? STR("{\"status\":\"rejected\",\"error\":")
                               : STR("{\"status\":\"fulfilled\",\"value\":"));
    buf_add_str(b, is_rejected ? o->error : value_of(o));
    buf_add_char(b, '}');
}

void task_result_write_settled(struct buf *b, const struct task_outcome *children, uint32_t count)
{
    buf_add_char(b, '[');
    for (uint32_t i = 0; i < count; i++) {
        json_add_comma(b);
        write_settled(b, &children[i]);
    }
    buf_add_char(b, ']');
}

void task_result_write_named(struct buf *b, const struct task_outcome *children, uint32_t count)
{
    buf_add_char(b, '{');
    for (uint32_t i = 0; i < count; i++) {
        json_add_comma(b);
        json_add_string(b, children[i].name);
        buf_add_char(b, ':');
        buf_add_str(b, value_of(&children[i]));
    }
    buf_add_char(b, '}');
}
