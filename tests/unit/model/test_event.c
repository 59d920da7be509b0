/* Lines of a run's log: their exact form (API §3), and taking them apart again. */
#include "model/event.h"

#include <check.h>
#include <stdlib.h>

#include "base/rng.h"

Suite *suite_model_event(void);

static const struct str run = {"run_01JD3Y5W9GZX0000000000000A", 30};
static struct buf b;

static void set_up(void)
{
    buf_init(&b, 1 << 20);
}

static void tear_down(void)
{
    buf_fini(&b);
}

#define LINE_START                                                                                 \
    "\"run_id\":\"run_01JD3Y5W9GZX0000000000000A\",\"at\":\"2026-08-01T12:00:00.007Z\","

static void write_event(const struct event_head *head, const char *data)
{
    event_begin(&b, head);
    buf_add_str(&b, str_of(data));
    event_end(&b);
    ck_assert_int_eq(buf_ok(&b), OK);
}

static struct event_head head_of(uint64_t seq, enum event_type type)
{
    return (struct event_head){.seq = seq, .type = type, .run = run, .at_ms = 1785585600007};
}

START_TEST(a_line_has_the_apis_form)
{
    struct event_head delta = head_of(5, EVENT_OUTPUT_DELTA), queued = head_of(1, EVENT_RUN_QUEUED);
    delta.task = STR("");
    delta.attempt = 1;
    write_event(&delta, "{\"text\":\"Hel\"}");
    write_event(&queued, "{\"reason\":null}");
    delta.task = STR("0/12");
    delta.attempt = UINT32_MAX;
    delta.seq = UINT64_MAX;
    write_event(&delta, "{}");
    ck_assert(str_eq(buf_str(&b),
                     STR("{\"seq\":5,\"type\":\"output.delta\"," LINE_START
                         "\"task\":\"\",\"attempt\":1,\"data\":{\"text\":\"Hel\"}}\n"
                         "{\"seq\":1,\"type\":\"run.queued\"," LINE_START
                         "\"task\":null,\"attempt\":null,\"data\":{\"reason\":null}}\n"
                         "{\"seq\":18446744073709551615,\"type\":\"output.delta\"," LINE_START
                         "\"task\":\"0/12\",\"attempt\":4294967295,\"data\":{}}\n")));
}
END_TEST

START_TEST(names_are_those_of_the_api_and_lead_back)
{
    static const char *const names[] = {
        "run.queued",      "run.running",       "run.waiting",       "run.cancelling",
        "task.running",    "task.retrying",     "task.blocked",      "task.succeeded",
        "task.failed",     "task.cancelled",    "task.timed_out",    "task.skipped",
        "attempt.started", "attempt.succeeded", "attempt.failed",    "attempt.cancelled",
        "attempt.lost",    "attempt.restarted", "output.delta",      "stream.gap",
        "run.finished",    "circuit.open",      "circuit.half_open", "circuit.closed"};
    ck_assert_uint_eq(sizeof names / sizeof names[0], EVENT_TYPE_COUNT);
    event_set all = 0;
    for (int i = 0; i < EVENT_TYPE_COUNT; i++) {
        enum event_type t;
        ck_assert_str_eq(event_type_name((enum event_type)i), names[i]);
        ck_assert(event_type_parse(str_of(names[i]), &t) && (int)t == i);
        all |= event_set_of((enum event_type)i);
    }
    ck_assert_uint_eq(all, EVENT_SET_ALL);
    ck_assert_uint_eq(all & ~EVENT_SET_RUN, event_set_of(EVENT_CIRCUIT_OPEN) |
                                                event_set_of(EVENT_CIRCUIT_HALF_OPEN) |
                                                event_set_of(EVENT_CIRCUIT_CLOSED));
    enum event_type t;
    ck_assert(!event_type_parse(STR("heartbeat"), &t) && !event_type_parse(STR("run."), &t) &&
              !event_type_parse(STR(""), &t));
}
END_TEST

/* DESIGN §1.2: run.*, terminal task.* and stream.gap come after their commit, the rest at once. */
START_TEST(facts_and_news_are_told_apart)
{
    for (int i = 0; i < EVENT_TYPE_COUNT; i++) {
        enum event_type t = (enum event_type)i;
        struct str name = str_of(event_type_name(t));
        bool is_news = str_starts(name, STR("attempt.")) || t == EVENT_OUTPUT_DELTA ||
                       t == EVENT_TASK_RUNNING || t == EVENT_TASK_RETRYING ||
                       t == EVENT_TASK_BLOCKED;
        ck_assert_msg(event_type_kind(t) == (is_news ? EVENT_NEWS : EVENT_FACT), "%s", name.at);
    }
}
END_TEST

START_TEST(an_event_of_no_run_has_neither_seq_nor_run)
{
    struct event_head h = {.type = EVENT_CIRCUIT_OPEN, .at_ms = 0};
    struct event_line line;
    write_event(&h, "{}");
    struct str rest = buf_str(&b);
    ck_assert(str_eq(rest, STR("{\"seq\":null,\"type\":\"circuit.open\",\"run_id\":null,"
                               "\"at\":\"1970-01-01T00:00:00.000Z\",\"task\":null,"
                               "\"attempt\":null,\"data\":{}}\n")));
    ck_assert(event_next_line(&rest, &line));
    ck_assert(line.seq == 0 && str_eq(line.type, STR("circuit.open")));
}
END_TEST

START_TEST(lines_are_taken_off_one_by_one)
{
    struct event_line line;
    for (uint64_t seq = 1; seq <= 3; seq++) {
        struct event_head h = head_of(seq, seq == 3 ? EVENT_RUN_FINISHED : EVENT_OUTPUT_DELTA);
        write_event(&h, "{\"text\":\"a \\\"quoted\\\",word\\n\"}");
    }
    struct str rest = buf_str(&b);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        ck_assert(event_next_line(&rest, &line));
        ck_assert_uint_eq(line.seq, seq);
        ck_assert(str_eq(line.type, seq == 3 ? STR("run.finished") : STR("output.delta")));
        ck_assert_int_eq(line.json.at[0], '{');
        ck_assert_int_eq(line.json.at[line.json.len - 1], '}');
    }
    ck_assert_uint_eq(rest.len, 0);
    ck_assert(!event_next_line(&rest, &line));
    ck_assert(!event_next_line(&rest, &line));
}
END_TEST

START_TEST(a_damaged_line_is_none_and_is_taken_off)
{
    static const char *const damaged[] = {
        "\n",
        "{}\n",
        "{\"seq\":,\"type\":\"a\"}\n",
        "{\"seq\":-1,\"type\":\"a\"}\n",
        "{\"seq\":1.5,\"type\":\"a\"}\n",
        "{\"seq\":99999999999999999999,\"type\":\"a\"}\n",
        "{\"seq\": 1,\"type\":\"a\"}\n",
        "{\"seq\":1}\n",
        "{\"seq\":1,\"type\":\"output.de\n",
        "{\"seq\":1,\"kind\":\"a\"}\n",
    };
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        struct event_line line;
        buf_clear(&b);
        buf_add_str(&b, str_of(damaged[i]));
        struct event_head h = head_of(7, EVENT_RUN_FINISHED);
        write_event(&h, "{}");
        struct str rest = buf_str(&b);
        ck_assert_msg(!event_next_line(&rest, &line), "%zu", i);
        ck_assert_msg(event_next_line(&rest, &line) && line.seq == 7, "%zu", i);
    }
}
END_TEST

START_TEST(a_line_cut_anywhere_is_none)
{
    struct event_head h = head_of(7, EVENT_OUTPUT_DELTA);
    write_event(&h, "{\"text\":\"x\"}");
    for (size_t len = 0; len < b.len; len++) {
        struct event_line line;
        struct str rest = {b.data, len};
        ck_assert_msg(!event_next_line(&rest, &line), "cut at %zu", len);
        ck_assert_uint_eq(rest.len, 0);
    }
}
END_TEST

START_TEST(any_bytes_come_to_an_end)
{
    struct rng rng;
    rng_seed(&rng, 7);
    for (int round = 0; round < 2000; round++) {
        buf_clear(&b);
        for (uint64_t seq = 1; seq <= 4; seq++) {
            struct event_head h = head_of(seq, EVENT_OUTPUT_DELTA);
            write_event(&h, "{\"text\":\"x\"}");
        }
        for (int i = 0; i < 5; i++)
            b.data[rng_below(&rng, b.len)] = (char)rng_below(&rng, 256);
        struct str rest = buf_str(&b);
        for (size_t before = rest.len; before > 0; before = rest.len) {
            struct event_line line;
            if (event_next_line(&rest, &line))
                ck_assert_uint_ge((size_t)(b.data + b.len - line.json.at), line.json.len);
            ck_assert_uint_lt(rest.len, before);
        }
    }
}
END_TEST

START_TEST(a_full_buffer_is_told_by_the_buffer)
{
    struct event_head h = head_of(7, EVENT_OUTPUT_DELTA);
    h.task = STR("0/1");
    write_event(&h, "{}");
    size_t len = b.len;
    for (size_t max = 0; max <= len; max++) {
        struct buf small;
        buf_init(&small, max);
        event_begin(&small, &h);
        buf_add_lit(&small, "{}");
        event_end(&small);
        ck_assert(max == len || buf_ok(&small) == ERR_LIMIT);
        buf_fini(&small);
    }
}
END_TEST

Suite *suite_model_event(void)
{
    Suite *s = suite_create("model_event");
    TCase *t = tcase_create("event");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_line_has_the_apis_form);
    tcase_add_test(t, names_are_those_of_the_api_and_lead_back);
    tcase_add_test(t, facts_and_news_are_told_apart);
    tcase_add_test(t, an_event_of_no_run_has_neither_seq_nor_run);
    tcase_add_test(t, lines_are_taken_off_one_by_one);
    tcase_add_test(t, a_damaged_line_is_none_and_is_taken_off);
    tcase_add_test(t, a_line_cut_anywhere_is_none);
    tcase_add_test(t, any_bytes_come_to_an_end);
    tcase_add_test(t, a_full_buffer_is_told_by_the_buffer);
    suite_add_tcase(s, t);
    return s;
}
