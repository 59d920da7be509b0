#ifndef SLUICE_RUNS_TASK_TELL_H
#define SLUICE_RUNS_TASK_TELL_H
/* The events of a task (API §3): {name, type} and what belongs to it. Whoever changes a task's
 * state tells it, at once and once. On the run's loop. */
#include "model/event.h"
#include "runs/task.h"

void task_tell_begin(struct task *t);

/* EVENT_TASK_BLOCKED or EVENT_TASK_RETRYING, with its reason. */
void task_tell_wait(struct task *t, enum event_type type);

/* The end that its state is, with output, error or reason. */
void task_tell_end(struct task *t);
#endif
