#include "model/failure.h"

#include "base/json.h"

void failure_write(struct buf *b, const struct failure *f)
{
    buf_addf(b, "{\"code\":\"%s\",\"message\":", err_code(f->code));
    json_add_string(b, f->message.len > 0 ? f->message : str_of(err_title(f->code)));
    buf_addf(b, ",\"retryable\":%s,\"task\":", err_is_retryable(f->code) ? "true" : "false");
    json_add_string_or_null(b, f->task);
    buf_add_lit(b, ",\"provider\":");
    json_add_string_or_null(b, f->provider);
    buf_addf(b, ",\"attempts\":%u,\"errors\":", (unsigned)f->attempts);
    buf_add_str(b, f->errors.at != NULL ? f->errors : STR("[]"));
    if (f->partial.at != NULL) {
        buf_add_lit(b, ",\"partial\":");
        buf_add_str(b, f->partial);
    }
    buf_add_char(b, '}');
}
