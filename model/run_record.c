#include "model/run_record.h"

#include "base/json.h"
#include "model/attempt_view.h"
#include "model/stamp.h"

void run_id_format(const struct id *id, char ret_text[RUN_ID_TEXT])
{
    memcpy(ret_text, "run_", 4);
    id_format(id, ret_text + 4);
}

static void add_path(struct buf *b, struct str base_path, const char run[RUN_ID_TEXT],
                     struct str suffix)
{
    buf_add_char(b, '"');
    buf_add_str(b, base_path);
    buf_add_lit(b, "/v1/runs/");
    buf_add(b, run, RUN_ID_TEXT);
    buf_add_str(b, suffix);
    buf_add_char(b, '"');
}

void run_record_write_value(struct buf *b, struct str json, const struct id *run,
                            const char *suffix, struct str base_path)
{
    if (json.len <= VALUE_INLINE_MAX) {
        json_add_or_null(b, json);
        return;
    }
    char id[RUN_ID_TEXT];
    run_id_format(run, id);
    buf_add_lit(b, "{\"$ref\":");
    add_path(b, base_path, id, str_of(suffix));
    buf_add_lit(b, ",\"bytes\":");
    buf_add_u64(b, json.len);
    buf_add_char(b, '}');
}

static void add_links(struct buf *b, const char id[RUN_ID_TEXT], struct str base_path)
{
    buf_add_lit(b, ",\"links\":{\"self\":");
    add_path(b, base_path, id, STR(""));
    buf_add_lit(b, ",\"events\":");
    add_path(b, base_path, id, STR("/events"));
    buf_add_lit(b, ",\"tasks\":");
    add_path(b, base_path, id, STR("/tasks"));
    buf_add_lit(b, ",\"output\":");
    add_path(b, base_path, id, STR("/output"));
    buf_add_lit(b, ",\"cancel\":");
    add_path(b, base_path, id, STR("/cancel"));
    buf_add_char(b, '}');
}

static void add_target(struct buf *b, const struct run_record *r)
{
    buf_add_lit(b, ",\"agent\":");
    json_add_string_or_null(b, r->agent);
    buf_add_lit(b, ",\"workflow\":");
    json_add_string_or_null(b, r->workflow);
    buf_add_lit(b, ",\"workflow_version\":");
    if (r->workflow.at != NULL)
        buf_add_i64(b, r->workflow_version);
    else
        buf_add_lit(b, "null");
    buf_add_lit(b, ",\"name\":");
    json_add_string_or_null(b, r->name);
    buf_add_lit(b, ",\"parent\":");
    json_add_or_null(b, r->parent);
    buf_add_lit(b, ",\"retry_of\":");
    if (r->has_retry_of) {
        char text[RUN_ID_TEXT];
        run_id_format(&r->retry_of, text);
        json_add_string(b, (struct str){text, sizeof text});
    } else {
        buf_add_lit(b, "null");
    }
}

static void add_outcome(struct buf *b, const struct run_record *r, bool brief, struct str base_path)
{
    buf_add_lit(b, ",\"output\":");
    if (brief)
        run_record_write_value(b, r->output, &r->id, "/output", base_path);
    else
        json_add_or_null(b, r->output);
    buf_add_lit(b, ",\"error\":");
    json_add_or_null(b, r->error);
    buf_add_lit(b, ",\"usage\":");
    usage_write(b, &r->usage);
}

void run_record_write(struct buf *b, const struct run_record *r, uint64_t last_seq, bool brief,
                      struct str base_path)
{
    char id[RUN_ID_TEXT];
    run_id_format(&r->id, id);
    buf_add_lit(b, "{\"id\":\"");
    buf_add(b, id, sizeof id);
    buf_add_lit(b, "\",\"object\":\"run\",\"state\":\"");
    buf_add_str(b, str_of(run_state_name(r->state)));
    buf_add_lit(b, "\",\"reason\":");
    json_add_or_null(b, r->reason);
    add_target(b, r);
    buf_add_lit(b, ",\"input\":");
    if (brief)
        run_record_write_value(b, r->input, &r->id, "", base_path);
    else
        json_add_or_null(b, r->input);
    add_outcome(b, r, brief, base_path);
    buf_add_lit(b, ",\"metadata\":");
    buf_add_str(b, r->metadata.at != NULL ? r->metadata : STR("{}"));
    buf_add_lit(b, ",\"created_at\":");
    stamp_write(b, r->created_at_ms);
    stamp_write_span(b, r->started_at_ms, r->finished_at_ms);
    buf_add_lit(b, ",\"timeout_ms\":");
    buf_add_i64(b, r->timeout_ms);
    buf_add_lit(b, ",\"last_seq\":");
    buf_add_u64(b, last_seq);
    add_links(b, id, base_path);
    buf_add_char(b, '}');
}

void run_record_write_root(struct buf *b, const struct run_record *r, struct str name, bool brief,
                           struct str base_path)
{
    buf_add_lit(b, "{\"path\":\"\",\"name\":");
    json_add_string_or_null(b, name);
    buf_addf(b, ",\"type\":\"call\",\"state\":\"%s\",\"reason\":", task_state_name(r->task_state));
    json_add_or_null(b, r->reason);
    stamp_write_span(b, r->started_at_ms, r->finished_at_ms);
    add_outcome(b, r, brief, base_path);
    buf_add_lit(b, ",\"attempts\":");
    attempts_show_text(b, r->attempts);
    buf_add_lit(b, ",\"children\":[]}");
}

bool run_record_read_spec(struct run_record *r)
{
    struct json_doc doc;
    json_doc_init(&doc);
    bool fine = json_parse(&doc, r->spec, NULL) == OK;
    if (fine) {
        struct json root = json_root(&doc);
        struct json input = json_get_lit(root, "input");
        r->input = json_exists(input) ? json_raw(input) : STR("null");
        struct json metadata = json_get_lit(root, "metadata");
        r->metadata = json_is(metadata, JSON_OBJECT) ? json_raw(metadata) : STR_NONE;
    }
    json_doc_fini(&doc);
    return fine;
}
