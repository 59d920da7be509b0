#include "tests/support/random_tree.h"

static void write_task(struct random_tree *r, struct buf *b, unsigned depth, const char *members);

static unsigned pick(struct random_tree *r, unsigned n)
{
    return (unsigned)rng_below(&r->rng, n);
}

/* --- leaves ----------------------------------------------------------------------------------- */

static void write_call(struct random_tree *r, struct buf *b)
{
    unsigned first_ms = pick(r, 3) * pick(r, 400);
    bool is_retried = pick(r, 3) == 0;
    if (pick(r, 2) == 0)
        buf_addf(b, "\"type\":\"call\",\"model\":\"sim/story\",");
    else
        buf_addf(b, "\"type\":\"call\",\"model\":\"sim/echo\",\"input\":\"I am {{task.path}}\",");
    if (is_retried)
        buf_addf(b, "\"retry\":{\"attempts\":%u,\"base_ms\":%u,\"jitter\":\"none\"},", 2 + pick(r, 2), pick(r, 300));
    buf_addf(b, "\"params\":{\"sim\":{\"tokens\":%u,\"first_ms\":%u,\"gap_ms\":%u", 1 + pick(r, 3),
             first_ms, pick(r, 50));
    if (pick(r, 4) == 0)
        buf_addf(b, ",\"fail\":[{\"as\":\"status\",\"status\":500%s}]",
                 is_retried && pick(r, 2) == 0 ? ",\"attempt\":1" : "");
    buf_addf(b, "}}");
}

static void write_leaf(struct random_tree *r, struct buf *b)
{
    switch (pick(r, 8)) {
    case 0: buf_addf(b, "\"type\":\"value\",\"value\":\"{{input.nothing}}\""); break;
    case 1:
    case 2: buf_addf(b, "\"type\":\"value\",\"value\":[%u,\"{{task.path}}\"]", pick(r, 100)); break;
    case 3: buf_addf(b, "\"type\":\"sleep\",\"duration_ms\":%u", pick(r, 2000)); break;
    default: write_call(r, b); break;
    }
}

/* --- groups ----------------------------------------------------------------------------------- */

static void write_children(struct random_tree *r, struct buf *b, unsigned depth, const char *list,
                           unsigned least)
{
    unsigned count = least + pick(r, 4);
    buf_addf(b, "\"%s\":[", list);
    for (unsigned i = 0; i < count; i++) {
        if (i > 0)
            buf_addf(b, ",");
        write_task(r, b, depth - 1, "");
    }
    buf_addf(b, "]");
}

static void write_errors(struct random_tree *r, struct buf *b)
{
    if (!r->races || pick(r, 2) == 0)
        buf_addf(b, "\"errors\":\"collect\",");
}

static void write_dag(struct random_tree *r, struct buf *b, unsigned depth)
{
    static const char *const whens[] = {"all_succeeded", "any_succeeded", "all_done"};
    unsigned count = pick(r, 4);
    buf_addf(b, "\"type\":\"dag\",\"steps\":{");
    for (unsigned i = 0; i < count; i++) {
        buf_addf(b, "%s\"s%u\":", i > 0 ? "," : "", i);
        char members[96] = "";
        struct buf m;
        buf_init(&m, sizeof members - 1);
        if (i > 0)
            buf_addf(&m, "\"depends_on\":[\"s%u\"],\"when\":\"%s\",", pick(r, i),
                     whens[pick(r, 3)]);
        if (m.len > 0)
            memcpy(members, m.data, m.len);
        buf_fini(&m);
        write_task(r, b, depth - 1, members);
    }
    buf_addf(b, "}");
}

static void write_map(struct random_tree *r, struct buf *b, unsigned depth)
{
    unsigned count = pick(r, 4);
    buf_addf(b, "\"type\":\"map\",\"over\":[");
    for (unsigned i = 0; i < count; i++)
        buf_addf(b, "%s%u", i > 0 ? "," : "", i);
    buf_addf(b, "],");
    if (pick(r, 3) == 0)
        buf_addf(b, "\"limit\":%u,", 1 + pick(r, 3));
    if (pick(r, 4) == 0)
        buf_addf(b, "\"errors\":\"settle\",");
    else
        write_errors(r, b);
    buf_addf(b, "\"task\":");
    write_task(r, b, depth - 1, "");
}

static void write_group(struct random_tree *r, struct buf *b, unsigned depth, bool is_timed)
{
    unsigned kind = pick(r, r->races ? 10 : 8), limit;
    switch (kind) {
    case 0:
    case 1:
        buf_addf(b, "\"type\":\"sequence\",");
        write_children(r, b, depth, "steps", 0);
        break;
    case 2:
        limit = 1 + pick(r, 3);
        buf_addf(b, "\"type\":\"parallel\",\"limit\":%u,", limit);
        write_errors(r, b);
        write_children(r, b, depth, "tasks", 0);
        break;
    case 3:
        buf_addf(b, "\"type\":\"settle\",");
        write_children(r, b, depth, "tasks", 0);
        break;
    case 4: write_map(r, b, depth); break;
    case 5: write_dag(r, b, depth); break;
    case 6:
        buf_addf(b, "\"type\":\"shield\",%s\"task\":", is_timed ? "" : "\"timeout_ms\":600000,");
        write_task(r, b, depth - 1, "");
        break;
    case 7: /* a name of its own, and far from opening */
        buf_addf(b, "\"type\":\"circuit\",\"circuit\":\"c%u\",\"fail_max\":1000,\"task\":", pick(r, 1000000));
        write_task(r, b, depth - 1, "");
        break;
    default:
        buf_addf(b, "\"type\":\"%s\",", kind == 8 ? "race" : "first_success");
        write_children(r, b, depth, "tasks", 1);
        break;
    }
}

/* --- members that all have -------------------------------------------------------------------- */

/* True: its time is among them. */
static bool write_members(struct random_tree *r, struct buf *b)
{
    if (pick(r, 5) == 0)
        buf_addf(b, "\"on_error\":\"continue\",");
    if (pick(r, 8) == 0)
        buf_addf(b,
                 "\"finally\":{\"type\":\"call\",\"model\":\"sim/echo\",\"timeout_ms\":60000,"
                 "\"input\":\"done\",\"params\":{\"sim\":{\"first_ms\":%u}}},",
                 pick(r, 200));
    if (!r->races || pick(r, 6) != 0)
        return false;
    buf_addf(b, "\"timeout_ms\":%u,", 100 + pick(r, 3000));
    return true;
}

static void write_task(struct random_tree *r, struct buf *b, unsigned depth, const char *members)
{
    bool is_leaf = depth <= 1 || r->nodes_left < 8 || pick(r, 3) == 0;
    r->nodes_left -= r->nodes_left > 0;
    buf_addf(b, "{%s", members);
    bool is_timed = write_members(r, b);
    if (!is_leaf && pick(r, 6) == 0)
        buf_addf(b, "\"retry\":{\"attempts\":2,\"base_ms\":%u,\"jitter\":\"none\"},", pick(r, 3000));
    if (is_leaf)
        write_leaf(r, b);
    else
        write_group(r, b, depth, is_timed);
    buf_addf(b, "}");
}

void random_tree_write(struct buf *b, uint64_t seed, bool races, unsigned nodes, unsigned depth)
{
    struct random_tree r = {.races = races, .nodes_left = nodes};
    rng_seed(&r.rng, seed);
    write_task(&r, b, depth, "");
}
