#include "cli/pursuit.h"

#include <stdio.h>

#include "base/clock.h"
#include "cli/interrupt.h"
#include "cli/render.h"

enum { LATER_MS = 250, CANCEL_AGAIN_MS = 1000, CANCEL_LIMIT_MS = 30000, IDLE_MS = 60000 };

/* A connection that was merely cut comes back at once; together they outlast a gateway that drains
 * and starts anew. */
static const uint32_t delays_ms[PURSUIT_TRIES] = {0, 500, 2000, 8000, 20000};

enum outcome { GOES_ON, ENDED, GIVEN_UP };

static uint64_t now_ms(void)
{
    return clock_mono_ms(NULL);
}

static void describe(const struct pursuit *p, const struct answer *a, struct buf *b)
{
    buf_init(b, 65536);
    answer_describe(b, a, client_name(p->client));
}

/* --- cancelling ------------------------------------------------------------------------------- */

static void start_cancel(struct pursuit *p)
{
    snprintf(p->cancel_path, sizeof p->cancel_path, "/v1/runs/%s/cancel", p->run_id);
    struct client_request request = {.method = "POST",
                                     .path = p->cancel_path,
                                     .body = STR("{\"reason\":\"interrupted by its user\"}"),
                                     .limit_ms = CANCEL_LIMIT_MS};
    p->cancel = exchange_start(p->client, &request);
    p->cancel_at_ms = p->cancel != NULL ? UINT64_MAX : now_ms() + CANCEL_AGAIN_MS;
}

/* That the run has ended meanwhile is fine. What does not pass is said; the run is followed all the
 * same. */
static void end_cancel(struct pursuit *p, const struct answer *a)
{
    struct buf why;
    if (answer_is_passing(a)) {
        p->cancel_at_ms = now_ms() + CANCEL_AGAIN_MS;
    } else if (!answer_is_good(a) && a->status != 409) {
        describe(p, a, &why);
        screen_say(p->screen, "it cannot be cancelled: %.*s", STR_ARG(buf_str(&why)));
        buf_fini(&why);
    }
    exchange_end(p->cancel);
    p->cancel = NULL;
}

static void drive_cancel(struct pursuit *p)
{
    const struct answer *a = p->cancel != NULL ? exchange_answer(p->cancel) : NULL;
    if (a != NULL)
        end_cancel(p, a);
    if (p->cancel == NULL && p->run_id[0] != '\0' && now_ms() >= p->cancel_at_ms)
        start_cancel(p);
}

/* False: the user wants to leave. */
static bool heed_interrupts(struct pursuit *p)
{
    uint32_t n = interrupt_take();
    if (n == 0)
        return true;
    p->interrupts += n;
    screen_on_echo(p->screen);
    if (!p->is_own || p->interrupts > 1)
        return false;
    screen_say(p->screen, "cancelling... (Ctrl-C again leaves the run as it is)");
    p->way->on_cancel(p->ctx);
    p->cancel_at_ms = now_ms();
    return true;
}

static enum outcome leave(struct pursuit *p, int *ret_exit)
{
    *ret_exit = CLI_LEFT;
    screen_leave_drawing(p->screen);
    if (p->screen->has_failed)
        screen_say(p->screen, "error: the output cannot be written");
    if (p->run_id[0] != '\0')
        screen_say(p->screen, "left the run as it is; to come back: sluice watch %s", p->run_id);
    else
        screen_say(p->screen,
                   "left before the gateway had answered; sluice ls shows whether there is a run");
    return GIVEN_UP;
}

/* --- asking ----------------------------------------------------------------------------------- */

static enum outcome give_up(struct pursuit *p, const struct answer *a, int *ret_exit)
{
    struct buf why;
    *ret_exit = answer_is_good(a) ? CLI_NO_SERVER : answer_exit(a);
    describe(p, a, &why);
    screen_say(p->screen, "error: %.*s", STR_ARG(buf_str(&why)));
    buf_fini(&why);
    if (p->run_id[0] != '\0' && p->is_reached && *ret_exit == CLI_NO_SERVER)
        screen_say(p->screen, "the run may go on; to come back: sluice watch %s", p->run_id);
    else if (a->fate == ANSWER_BROKEN)
        screen_say(p->screen, "the run may have begun: sluice ls shows it");
    return GIVEN_UP;
}

static enum outcome try_again(struct pursuit *p, const struct answer *a, int *ret_exit)
{
    struct buf why;
    if (p->tries == PURSUIT_TRIES || !p->is_reached)
        return give_up(p, a, ret_exit);
    uint32_t delay_ms = delays_ms[p->tries++];
    p->ask_at_ms = now_ms() + delay_ms;
    if (delay_ms > 0 && !answer_is_good(a)) {
        describe(p, a, &why);
        buf_add_lit(&why, "; trying again in ");
        render_duration(&why, delay_ms);
        screen_say(p->screen, "%.*s", STR_ARG(buf_str(&why)));
        buf_fini(&why);
    }
    return GOES_ON;
}

static enum outcome take(struct pursuit *p, const struct answer *a, int *ret_exit)
{
    p->is_reached |= a->status > 0;
    if (!answer_is_good(a) && !answer_is_passing(a))
        return give_up(p, a, ret_exit);
    enum pursuit_step step = p->way->take(p->ctx, a);
    if (step == STEP_ENDED)
        return ENDED;
    if (p->run_id[0] == '\0') /* a create is not repeated: there might be two runs then */
        return give_up(p, a, ret_exit);
    if (step == STEP_BROKEN)
        return try_again(p, a, ret_exit);
    p->tries = 0;
    p->ask_at_ms = now_ms() + (step == STEP_LATER ? LATER_MS : 0);
    return GOES_ON;
}

static bool ask(struct pursuit *p)
{
    struct client_request request = {.method = "GET"};
    p->way->ask(p->ctx, p->run_id, &request);
    p->main = exchange_start(p->client, &request);
    return p->main != NULL;
}

static void learn_run_id(struct pursuit *p)
{
    if (p->run_id[0] == '\0')
        str_copy(p->run_id, sizeof p->run_id, str_of(exchange_run_id(p->main)));
}

static enum outcome drive_main(struct pursuit *p, int *ret_exit)
{
    if (p->main == NULL && now_ms() < p->ask_at_ms)
        return GOES_ON;
    if (p->main == NULL && !ask(p)) {
        screen_say(p->screen, "error: out of memory");
        *ret_exit = CLI_FAILED;
        return GIVEN_UP;
    }
    learn_run_id(p);
    const struct answer *a = exchange_answer(p->main);
    if (p->screen->has_failed)
        return leave(p, ret_exit);
    if (a == NULL)
        return GOES_ON;
    enum outcome o = take(p, a, ret_exit);
    exchange_end(p->main);
    p->main = NULL;
    return o;
}

/* --- the loop --------------------------------------------------------------------------------- */

static int wait_ms(const struct pursuit *p)
{
    uint64_t now = now_ms(), until = now + IDLE_MS;
    if (p->main == NULL && p->ask_at_ms < until)
        until = p->ask_at_ms;
    if (p->cancel == NULL && p->cancel_at_ms < until && p->run_id[0] != '\0')
        until = p->cancel_at_ms;
    return until > now ? (int)(until - now) : 0;
}

/* One turn of the way; then waits for whatever comes first. */
static void rest(struct pursuit *p)
{
    int wanted = p->way->turn != NULL ? p->way->turn(p->ctx, p->run_id) : -1, due = wait_ms(p);
    screen_flush(p->screen);
    client_step(p->client, wanted >= 0 && wanted < due ? wanted : due, interrupt_fd());
}

bool pursue(struct pursuit *p, int *ret_exit)
{
    enum outcome o = GOES_ON;
    p->cancel_at_ms = UINT64_MAX;
    if (interrupt_catch() != OK)
        screen_say(p->screen, "Ctrl-C cannot be caught here: it ends this program, not the run");
    while (o == GOES_ON) {
        o = heed_interrupts(p) ? drive_main(p, ret_exit) : leave(p, ret_exit);
        if (o != GOES_ON)
            break;
        drive_cancel(p);
        rest(p);
    }
    screen_flush(p->screen);
    exchange_end(p->main);
    exchange_end(p->cancel);
    return o == ENDED;
}
