/* The table of routes: who answers what, with which parameters; 404 and 405. */
#include "api/routes.h"

#include <check.h>

Suite *suite_api_routes(void);

static const struct route *route;
static struct api_params params;
static char allow[96];

static enum err find(const char *method, const char *path)
{
    route = NULL;
    return route_find(str_of(method), str_of(path), &route, &params, allow, sizeof allow);
}

static const struct {
    const char *method, *path, *found;
    const char *id, *name, *rest; /* NULL: not of this route */
} found[] = {
    {"GET", "/v1/runs", "/v1/runs", NULL, NULL, NULL},
    {"HEAD", "/v1/runs", "/v1/runs", NULL, NULL, NULL},
    {"POST", "/v1/runs", "/v1/runs", NULL, NULL, NULL},
    {"POST", "/v1/runs/validate", "/v1/runs/validate", NULL, NULL, NULL},
    {"GET", "/v1/runs/x", "/v1/runs/{id}", "x", NULL, NULL},
    {"DELETE", "/v1/runs/x", "/v1/runs/{id}", "x", NULL, NULL},
    {"GET", "/v1/runs/x/output", "/v1/runs/{id}/output", "x", NULL, NULL},
    {"GET", "/v1/runs/x/tasks", "/v1/runs/{id}/tasks", "x", NULL, NULL},
    {"GET", "/v1/runs/x/tasks/root", "/v1/runs/{id}/tasks/{path}", "x", NULL, "root"},
    {"GET", "/v1/runs/x/tasks/0/2", "/v1/runs/{id}/tasks/{path}", "x", NULL, "0/2"},
    {"POST", "/v1/runs/x/tasks/0/2/cancel", "/v1/runs/{id}/tasks/{path}/cancel", "x", NULL, "0/2"},
    {"POST", "/v1/agents/a/run", "/v1/agents/{name}/run", NULL, "a", NULL},
    {"POST", "/v1/agents/a/runs", "/v1/agents/{name}/runs", NULL, "a", NULL},
    {"POST", "/v1/providers/p/breaker/reset", "/v1/providers/{name}/breaker/reset", NULL, "p",
     NULL},
    {"GET", "/v1/events", "/v1/events", NULL, NULL, NULL},
    {"GET", "/livez", "/livez", NULL, NULL, NULL},
};

START_TEST(a_route_is_found_with_its_parameters)
{
    ck_assert_msg(find(found[_i].method, found[_i].path) == OK, "%s", found[_i].path);
    ck_assert_str_eq(route->path, found[_i].found);
    ck_assert(str_eq(params.id, str_of(found[_i].id)));
    ck_assert(str_eq(params.name, str_of(found[_i].name)));
    ck_assert(str_eq(params.path, str_of(found[_i].rest)));
}
END_TEST

static const char *const nowhere[] = {
    "/",
    "",
    "/v1",
    "/v1/",
    "/v1/runs/",
    "//v1/runs",
    "/v1//runs",
    "/v1/Runs",
    "/v1/runs/x/",
    "/v1/runs//output",
    "/v1/runs/x/tasks/",
    "/v2/runs",
    "/v1/runsx",
    "/v1/runs/x/y",
    "/livez/",
    "/v1/agents//run",
    "v1/runs",
};

START_TEST(what_is_no_route_is_not_found_with_any_method)
{
    static const char *const methods[] = {"GET", "POST", "OPTIONS", "HEAD", "BREW"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        ck_assert_msg(find(methods[i], nowhere[_i]) == ERR_NOT_FOUND, "%s", nowhere[_i]);
}
END_TEST

static const struct {
    const char *method, *path, *allow;
} others[] = {
    {"PUT", "/v1/runs", "POST, GET, HEAD, OPTIONS"},
    {"get", "/v1/runs", "POST, GET, HEAD, OPTIONS"}, /* methods have their case */
    {"OPTIONS", "/v1/runs", "POST, GET, HEAD, OPTIONS"},
    {"POST", "/v1/runs/x", "GET, HEAD, DELETE, OPTIONS"},
    {"GET", "/v1/runs/x/cancel", "POST, OPTIONS"},
    {"HEAD", "/v1/runs/x/cancel", "POST, OPTIONS"},
    {"DELETE", "/livez", "GET, HEAD, OPTIONS"},
    {"PUT", "/v1/runs/validate", "POST, OPTIONS"}, /* is no run's id, whatever the method */
    {"GET", "/v1/runs/batch", "POST, OPTIONS"},
    {"DELETE", "/v1/runs/cancel", "POST, OPTIONS"},
    {"GET", "/v1/runs/x/tasks/0/2/cancel", "POST, OPTIONS"}, /* nor a task's path */
};

START_TEST(another_method_is_told_what_is_allowed)
{
    ck_assert_int_eq(find(others[_i].method, others[_i].path), ERR_METHOD_NOT_ALLOWED);
    ck_assert_str_eq(allow, others[_i].allow);
}
END_TEST

START_TEST(what_changes_something_needs_more_than_reading)
{
    for (size_t i = 0; i < route_count; i++) {
        bool reads = str_eq(str_of(routes[i].method), STR("GET"));
        bool open = str_eq(str_of(routes[i].path), STR("/livez")) ||
                    str_eq(str_of(routes[i].path), STR("/readyz"));
        ck_assert_msg(reads ? routes[i].scope <= SCOPE_READ : routes[i].scope >= SCOPE_RUN, "%s",
                      routes[i].path);
        ck_assert_msg((routes[i].scope == SCOPE_OPEN) == open, "%s", routes[i].path);
        ck_assert_msg(!reads || !routes[i].takes_body, "%s", routes[i].path);
    }
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

Suite *suite_api_routes(void)
{
    Suite *s = suite_create("api/routes");
    TCase *t = tcase_create("routes");
    tcase_add_loop_test(t, a_route_is_found_with_its_parameters, 0, COUNT(found));
    tcase_add_loop_test(t, what_is_no_route_is_not_found_with_any_method, 0, COUNT(nowhere));
    tcase_add_loop_test(t, another_method_is_told_what_is_allowed, 0, COUNT(others));
    tcase_add_test(t, what_changes_something_needs_more_than_reading);
    suite_add_tcase(s, t);
    return s;
}
