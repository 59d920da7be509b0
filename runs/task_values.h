#ifndef SLUICE_RUNS_TASK_VALUES_H
#define SLUICE_RUNS_TASK_VALUES_H
/* Fills in what the strings of a live task refer to (API §4): the run's input, steps that have
 * ended, a map's element.
 *
 * Names are places in the tree already (model/reference.h), so each value is found in as many steps
 * as it lies levels away. Stateless; the run's loop. */
#include "model/request_spec.h"
#include "runs/task.h"

/* What the template becomes, owned by the caller (mem_free). OK; ERR_TEMPLATE_ERROR, or
 * ERR_LIMIT_EXCEEDED past limits.output_bytes or what references may read (model/lookup.h), with
 * `ret_error`; ERR_NOMEM. */
enum err task_fill(struct task *t, const struct template *template, struct str *ret_text,
                   struct error *ret_error) MUST_CHECK;

/* The same of what was filled in before a restart: it was judged then, by the limit of its time. */
enum err task_fill_again(struct task *t, const struct template *template, struct str *ret_text,
                         struct error *ret_error) MUST_CHECK;

/* The request of a call by provider, as JSON: {"method","path","headers","body"}. As task_fill. */
enum err task_fill_request(struct task *t, const struct request_spec *request, struct str *ret_json,
                           struct error *ret_error) MUST_CHECK;

/* Owned text is only viewed as const. */
void task_free_text(struct str *s);
#endif
