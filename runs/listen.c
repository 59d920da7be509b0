#include "runs/listen.h"

#include <assert.h>

#include "base/mem.h"
#include "runs/shard.h"

enum {
    PAGE_BYTES = 32768, /* asked of the store at once */
    AGAIN_MS = 500,     /* between two looks while the store is away */
};

/* --- its memory ------------------------------------------------------------------------------- */

static void destroy(struct listen *l)
{
    buf_fini(&l->page);
    mem_free(l->tenant);
    mem_free(l->agent);
    mem_free(l);
}

static void free_if_done(struct listen *l)
{
    if (l->is_closed && !l->is_posted && l->state != LISTEN_READING)
        destroy(l);
}

/* --- telling the opener ----------------------------------------------------------------------- */

static void on_ready_arrived(struct loop_msg *msg)
{
    struct listen *l = CONTAINER_OF(msg, struct listen, ready);
    l->is_posted = false;
    if (l->is_closed) {
        free_if_done(l);
    } else if (!l->is_opened) {
        l->is_opened = true;
        l->options.on_opened(l, l->options.ctx);
    } else {
        l->options.on_ready(l, l->options.ctx);
    }
}

static void post(struct listen *l)
{
    if (l->is_posted || l->is_closed)
        return;
    l->is_posted = true;
    loop_soon(l->shard->loop, &l->ready);
}

/* There is a page to pull. */
static void tell(struct listen *l)
{
    if (!l->is_waiting)
        return;
    l->is_waiting = false;
    post(l);
}

/* --- turns ------------------------------------------------------------------------------------ */

static void on_read(struct store_op *op);

static void read_next(struct listeners *h)
{
    struct list *first;
    if (h->reader != NULL || loop_timer_is_armed(&h->again) ||
        (first = list_pop_front(&h->line)) == NULL)
        return;
    struct listen *l = CONTAINER_OF(first, struct listen, link);
    l->state = LISTEN_READING;
    l->commits = h->commits;
    h->reader = l;
    h->read = (struct store_bus){
        .op = {.kind = STORE_BUS, .loop = h->shard->loop, .on_done = on_read},
        .tenant = l->options.tenant,
        .types = l->options.types,
        .has_run = l->options.has_run,
        .run = l->options.run,
        .agent = l->options.agent,
        .after = l->cursor,
        .at_end = l->options.from_end,
        .max_bytes = PAGE_BYTES,
    };
    buf_init(&h->read.lines, SIZE_MAX / 2);
    store_start(h->shard->store, &h->read.op);
}

static void stand_in_line(struct listen *l)
{
    struct listeners *h = &l->shard->listeners;
    l->state = LISTEN_IN_LINE;
    list_push_back(&h->line, &l->link);
    read_next(h);
}

/* It has pulled all that it had. A commit that was heard of since it read may hold something. */
static void go_on(struct listen *l)
{
    struct listeners *h = &l->shard->listeners;
    if (!l->has_seen_all || l->commits != h->commits) {
        stand_in_line(l);
        return;
    }
    l->state = LISTEN_DRY;
    list_push_back(&h->dry, &l->link);
}

/* --- a commit --------------------------------------------------------------------------------- */

static void on_commit(struct listeners *h)
{
    struct list *it;
    h->commits++;
    while ((it = list_pop_front(&h->dry)) != NULL)
        stand_in_line(CONTAINER_OF(it, struct listen, link));
}

static void on_hint(struct store_watch *w)
{
    on_commit(CONTAINER_OF(w, struct listeners, watch));
}

static void on_unwatched(struct store_watch *w);

/* Set before the first read, so that nothing falls between the two. */
static void watch(struct listeners *h)
{
    if (h->is_watching || h->is_unwatching)
        return;
    h->is_watching = true;
    h->watch = (struct store_watch){
        .is_of_bus = true, .loop = h->shard->loop, .on_change = on_hint, .on_closed = on_unwatched};
    store_watch(h->shard->store, &h->watch);
}

static void unwatch(struct listeners *h)
{
    if (!h->is_watching)
        return;
    h->is_watching = false;
    h->is_unwatching = true;
    store_unwatch(h->shard->store, &h->watch);
}

/* Somebody may have come meanwhile, and there may have been commits that nobody was told of. */
static void on_unwatched(struct store_watch *w)
{
    struct listeners *h = CONTAINER_OF(w, struct listeners, watch);
    h->is_unwatching = false;
    if (h->count == 0)
        return;
    watch(h);
    on_commit(h);
}

/* --- a page ----------------------------------------------------------------------------------- */

static void take_page(struct listeners *h, struct listen *l)
{
    buf_fini(&l->page);
    l->page = h->read.lines;
    l->page_offset = 0;
    buf_init(&h->read.lines, 0);
    l->cursor = h->read.next;
    l->has_seen_all = !h->read.more && !h->read.at_end;
    if (h->read.at_end)
        l->told = l->cursor;
    l->options.from_end = false;
    if (!l->is_opened)
        post(l);
    if (l->page.len > 0) {
        l->state = LISTEN_HAS_PAGE;
        tell(l);
    } else {
        go_on(l);
    }
}

/* The store is away: whoever waits to be opened is told so, the others look again later. */
static void on_unavailable(struct listeners *h, struct listen *l)
{
    if (!l->is_opened) {
        l->opened = ERR_STORAGE_UNAVAILABLE;
        l->has_seen_all = true;
        l->state = LISTEN_HAS_PAGE; /* an empty one: it is nobody's turn any more */
        post(l);
        return;
    }
    loop_timer_start(&h->again, loop_now_ms(h->shard->loop) + AGAIN_MS);
    stand_in_line(l);
}

static void on_read(struct store_op *op)
{
    struct listeners *h = CONTAINER_OF(op, struct listeners, read.op);
    struct listen *l = h->reader;
    l->state = LISTEN_HAS_PAGE;
    if (l->is_closed)
        free_if_done(l);
    else if (op->result == STORE_OK)
        take_page(h, l);
    else
        on_unavailable(h, l);
    buf_fini(&h->read.lines);
    h->reader = NULL; /* only now: the operation is used again by the next */
    read_next(h);
}

static void on_again(struct loop_timer *timer)
{
    read_next(CONTAINER_OF(timer, struct listeners, again));
}

/* --- opening and closing ---------------------------------------------------------------------- */

enum err listen_open(struct shard *shard, const struct listen_options *options,
                     struct listen **ret_listen)
{
    struct listeners *h = &shard->listeners;
    struct listen *l = mem_zalloc(sizeof *l);
    if (l == NULL)
        return ERR_NOMEM;
    l->shard = shard;
    l->options = *options;
    l->cursor = l->told = options->after;
    l->ready.on_arrive = on_ready_arrived;
    buf_init(&l->page, 0);
    list_init(&l->link);
    l->tenant = mem_strdup(options->tenant);
    l->agent = options->agent.at != NULL ? mem_strdup(options->agent) : NULL;
    if (l->tenant == NULL || (options->agent.at != NULL && l->agent == NULL)) {
        destroy(l);
        return ERR_NOMEM;
    }
    l->options.tenant = str_of(l->tenant);
    l->options.agent = l->agent != NULL ? str_of(l->agent) : STR_NONE;
    h->count++;
    watch(h);
    stand_in_line(l);
    *ret_listen = l;
    return OK;
}

void listen_close(struct listen *l)
{
    if (l == NULL)
        return;
    struct listeners *h = &l->shard->listeners;
    l->is_closed = true;
    list_remove(&l->link);
    if (--h->count == 0) {
        loop_timer_stop(&h->again);
        unwatch(h);
    }
    free_if_done(l);
}

/* --- pulling ---------------------------------------------------------------------------------- */

static void pull_page(struct listen *l, struct buf *out, size_t max_bytes)
{
    struct str rest = {l->page.data + l->page_offset, l->page.len - l->page_offset};
    struct bus_line line;
    while (rest.len > 0 && out->len < max_bytes) {
        bool is_whole = bus_next_line(&rest, &line) && bus_cursor_parse(line.id, &l->told);
        assert(is_whole); /* the store's own work, a moment ago */
        frame_named_event(out, l->options.format, line.id, line.type, line.json);
    }
    l->page_offset = l->page.len - rest.len;
}

void listen_pull(struct listen *l, struct buf *out, size_t max_bytes)
{
    if (!l->is_begun)
        frame_begin(out, l->options.format);
    l->is_begun = true;
    pull_page(l, out, max_bytes);
    if (l->page_offset < l->page.len)
        return;
    l->is_waiting = true;
    if (l->state != LISTEN_HAS_PAGE)
        return;
    buf_fini(&l->page); /* one that waits keeps none */
    l->page_offset = 0;
    go_on(l);
}

/* --- the shard's part ------------------------------------------------------------------------- */

void listeners_init(struct listeners *h, struct shard *shard)
{
    *h = (struct listeners){.shard = shard};
    list_init(&h->dry);
    list_init(&h->line);
    loop_timer_init(&h->again, shard->loop, on_again);
}

void listeners_fini(struct listeners *h)
{
    loop_timer_stop(&h->again);
}
