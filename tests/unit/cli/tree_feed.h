#ifndef SLUICE_TESTS_UNIT_CLI_TREE_FEED_H
#define SLUICE_TESTS_UNIT_CLI_TREE_FEED_H
/* A task tree that is fed with events in few words, and read as lines. */
#include <check.h>
#include <stdio.h>

#include "base/mem.h"
#include "cli/task_tree.h"
#include "cli/tree_lines.h"

struct feed {
    struct task_tree tree;
    int64_t now_ms; /* when the next event is told */
    unsigned long fail_nth; /* allocation that fails while the tree takes it; 0: none */
    char text[65536];
};

static inline void feed_start(struct feed *f)
{
    f->now_ms = 1000000;
    f->fail_nth = 0;
    task_tree_init(&f->tree);
}

static inline void feed_end(struct feed *f)
{
    task_tree_fini(&f->tree);
}

/* `task` NULL: an event of the run. Single quotes in `data` stand for double ones. */
static inline void feed_event(struct feed *f, const char *task, const char *type, int64_t attempt,
                              const char *data)
{
    struct json_doc doc;
    char json[4096];
    snprintf(json, sizeof json, "%s", data);
    for (char *p = json; *p != '\0'; p++)
        *p = *p == '\'' ? '"' : *p;
    json_doc_init(&doc);
    ck_assert_msg(json_parse(&doc, str_of(json), NULL) == OK, "%s", data);
    struct event e = {.type = str_of(type),
                      .task = str_of(task),
                      .at_ms = f->now_ms,
                      .attempt = attempt,
                      .data = json_root(&doc)};
    mem_fail_nth(f->fail_nth);
    task_tree_take(&f->tree, &e);
    mem_fail_nth(0);
    json_doc_fini(&doc);
}

/* feed_task(f, "0/1", "running", "call") */
static inline void feed_task(struct feed *f, const char *task, const char *state, const char *type)
{
    char event[64], data[128];
    snprintf(event, sizeof event, "task.%s", state);
    snprintf(data, sizeof data, "{'name':null,'type':'%s'}", type);
    feed_event(f, task, event, 0, data);
}

static inline void feed_look(struct feed *f, const char *task)
{
    struct json_doc doc;
    char json[4096];
    snprintf(json, sizeof json, "%s", task);
    for (char *p = json; *p != '\0'; p++)
        *p = *p == '\'' ? '"' : *p;
    json_doc_init(&doc);
    ck_assert_msg(json_parse(&doc, str_of(json), NULL) == OK, "%s", task);
    f->tree.wants_learning = false;
    mem_fail_nth(f->fail_nth);
    task_tree_learn(&f->tree, json_root(&doc));
    mem_fail_nth(0);
    json_doc_fini(&doc);
}

/* The lines, each with its line feed. */
static inline const char *feed_lines(struct feed *f, uint32_t width, uint32_t height)
{
    struct lines l;
    struct str rest, text;
    enum tone tone;
    size_t at = 0;
    lines_init(&l);
    tree_lines_write(&f->tree, &(struct tree_look){width, height, f->now_ms}, &l);
    ck_assert_int_eq(buf_ok(&l.text), OK);
    rest = buf_str(&l.text);
    f->text[0] = '\0';
    while (lines_next(&rest, &tone, &text))
        at += (size_t)snprintf(f->text + at, sizeof f->text - at, "%.*s\n", STR_ARG(text));
    lines_fini(&l);
    return f->text;
}
#endif
