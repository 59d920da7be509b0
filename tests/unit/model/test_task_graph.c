/* The graph of a dag: cycles, and who sees whom, beside a slow model of both. */
#include "model/task_graph.h"

#include <check.h>

#include "base/mem.h"
#include "tests/unit/resilience/property.h"

Suite *suite_model_task_graph(void);

enum { MOST = 12 };

/* Whether there is a way from one step to another, by Warshall's rule. */
static void close_over(bool way[MOST][MOST], uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) {
        for (uint32_t i = 0; i < n; i++) {
            for (uint32_t j = 0; j < n; j++)
                way[i][j] |= way[i][k] && way[k][j];
        }
    }
}

static void try_graph(struct rng *rng, uint64_t seed)
{
    struct arena arena;
    struct task_graph g;
    bool all[MOST][MOST] = {{false}}, kept[MOST][MOST] = {{false}};
    bool no_memory = false, has_cycle = false, is_told = false;
    uint32_t n = (uint32_t)property_between(rng, 1, MOST);
    arena_init(&arena, 1 << 16);
    MUST(task_graph_init(&g, &arena, n, MOST * MOST));
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < n; j++) {
            if ((all[i][j] = property_chance(rng, 0.12)))
                task_graph_add(&g, j, EDGE_FINE);
        }
        task_graph_end_step(&g);
    }
    MUST(task_graph_find_cycles(&g));
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t e = g.first[i]; e < g.first[i + 1]; e++) {
            is_told |= g.fault[e] == EDGE_CYCLE;
            kept[i][g.to[e]] = g.fault[e] == EDGE_FINE;
        }
    }
    close_over(all, n);
    close_over(kept, n);
    for (uint32_t i = 0; i < n; i++) {
        has_cycle |= all[i][i];
        MUST(!kept[i][i]); /* what is left has none */
        for (uint32_t j = 0; j < n; j++)
            MUST(task_graph_sees(&g, i, j, &no_memory) == kept[i][j]);
    }
    MUST(is_told == has_cycle && !no_memory);
    arena_fini(&arena);
}

START_TEST(random_graphs_agree_with_a_slow_model)
{
    uint64_t seed = property_seed();
    struct rng rng;
    rng_seed(&rng, seed);
    for (int i = 0; i < 5000; i++)
        try_graph(&rng, seed);
    ck_assert_int_eq(mem_live(), 0);
}
END_TEST

START_TEST(faults_are_kept_where_they_were_said)
{
    struct arena arena;
    struct task_graph g;
    bool no_memory = false;
    arena_init(&arena, 1 << 16);
    ck_assert(task_graph_init(&g, &arena, 2, 4));
    task_graph_end_step(&g);
    task_graph_add(&g, 0, EDGE_UNKNOWN);
    task_graph_add(&g, 0, EDGE_FINE);
    task_graph_add(&g, 0, EDGE_FINE);
    task_graph_add(&g, 0, EDGE_NO_NAME);
    task_graph_end_step(&g);
    ck_assert(task_graph_find_cycles(&g));
    ck_assert_uint_eq(g.first[1], 0);
    ck_assert_uint_eq(g.first[2], 4);
    ck_assert_int_eq(g.fault[0], EDGE_UNKNOWN);
    ck_assert_int_eq(g.fault[1], EDGE_FINE);
    ck_assert_int_eq(g.fault[2], EDGE_REPEATED);
    ck_assert_int_eq(g.fault[3], EDGE_NO_NAME);
    ck_assert(task_graph_sees(&g, 1, 0, &no_memory));
    ck_assert(!task_graph_sees(&g, 0, 1, &no_memory));
    arena_fini(&arena);
}
END_TEST

START_TEST(without_memory_it_says_so)
{
    struct arena arena;
    struct task_graph g;
    bool no_memory = false;
    arena_init(&arena, 16);
    ck_assert(!task_graph_init(&g, &arena, 100, 100));
    arena_fini(&arena);
    arena_init(&arena, 1024);
    ck_assert(task_graph_init(&g, &arena, 20, 0));
    for (int i = 0; i < 20; i++)
        task_graph_end_step(&g);
    ck_assert(task_graph_find_cycles(&g));
    arena.max_bytes = arena.bytes;
    while (arena_alloc(&arena, 1) != NULL)
        ;
    ck_assert(!task_graph_sees(&g, 0, 1, &no_memory));
    ck_assert(no_memory);
    arena_fini(&arena);
}
END_TEST

Suite *suite_model_task_graph(void)
{
    Suite *s = suite_create("model_task_graph");
    TCase *t = tcase_create("task_graph");
    tcase_set_timeout(t, PROPERTY_TIMEOUT_S);
    tcase_add_test(t, random_graphs_agree_with_a_slow_model);
    tcase_add_test(t, faults_are_kept_where_they_were_said);
    tcase_add_test(t, without_memory_it_says_so);
    suite_add_tcase(s, t);
    return s;
}
