/* ?types= */
#include "api/event_types.h"

#include <check.h>

Suite *suite_api_event_types(void);

static const char *const names[] = {"types", NULL};

#define BIT(t) ((event_set)1u << (t))

static const struct {
    const char *query;
    event_set known, wanted; /* wanted 0: it is refused */
} cases[] = {
    {"", EVENT_SET_RUN, 7},
    {"types=run.queued", EVENT_SET_RUN, BIT(EVENT_RUN_QUEUED)},
    {"types=output.delta,run.queued", EVENT_SET_RUN,
     BIT(EVENT_OUTPUT_DELTA) | BIT(EVENT_RUN_QUEUED)},
    {"types=run.queued,run.queued", EVENT_SET_RUN, BIT(EVENT_RUN_QUEUED)},
    {"types=circuit.open", EVENT_SET_ALL, BIT(EVENT_CIRCUIT_OPEN)},
    {"types=circuit.open", EVENT_SET_RUN, 0},
    {"types=", EVENT_SET_ALL, 0},
    {"types=run.queued,", EVENT_SET_ALL, 0},
    {"types=run", EVENT_SET_ALL, 0},
    {"types=Run.Queued", EVENT_SET_ALL, 0},
};

START_TEST(types_are_those_that_are_named)
{
    struct query q;
    struct error error;
    event_set types = 0;
    ck_assert_int_eq(query_parse(&q, str_of(cases[_i].query), names, &error), OK);
    enum err e = query_event_types(&q, cases[_i].known, 7, &types, &error);
    ck_assert_msg(e == (cases[_i].wanted != 0 ? OK : ERR_INVALID_QUERY), "%s", cases[_i].query);
    ck_assert_uint_eq(types, cases[_i].wanted);
    query_fini(&q);
}
END_TEST

Suite *suite_api_event_types(void)
{
    Suite *s = suite_create("api/event_types");
    TCase *t = tcase_create("types");
    tcase_add_loop_test(t, types_are_those_that_are_named, 0, sizeof cases / sizeof cases[0]);
    suite_add_tcase(s, t);
    return s;
}
