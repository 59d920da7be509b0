#include "load/options.h"

#include "tool.h"

struct options want = {.connections = 1, .window_ms = 1000, .drain_ms = 5000, .status = 200};

static struct needle count_needle, ok_needle;

static const char help[] =
    "load --port N | --unix PATH   where to\n"
    "  --method POST --path / --header 'K: V' .. --body TEXT   the request; Content-Length is added\n"
    "  --connections N             each has one request under way\n"
    "  --ms N --warmup-ms N --ramp-ms N --drain-ms N   the window, before it, and after it\n"
    "  --once 1                    one request each, --ms is the longest it may take\n"
    "  --total N                   so many requests in all, --ms is the longest it may take\n"
    "  --rate N                    at most so many requests a second\n"
    "  --status N                  what an answer must have (200)\n"
    "  --ok TEXT                   an answer without it is an error\n"
    "  --count TEXT                a token is where this stands in the body\n"
    "  --expect N                  tokens in every answer\n"
    "  --gap-ms N                  the pace of the tokens, to tell stalls (> 10 times that, > 100 ms\n"
    "                              more than that)\n"
    "  --pid N .. --beside N ..    processes whose CPU time is measured over the window, in two sums\n";

/* Collects the request: the head grows with each --header, the body comes last. */
static void make_request(const char *method, const char *path, const char *headers,
                         const char *body)
{
    FILE *f = open_memstream(&want.request, &want.request_len);
    if (!f)
        die("open_memstream");
    fprintf(f, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", method, path, headers);
    if (body[0] != '\0')
        fprintf(f, "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(body));
    fprintf(f, "\r\n%s", body);
    if (fclose(f) != 0)
        die("fclose");
}

static bool set_number(const char *name, const char *value)
{
    static const struct {
        const char *name;
        uint32_t *to;
    } numbers[] = {{"--connections", &want.connections},
                   {"--ms", &want.window_ms},
                   {"--warmup-ms", &want.warmup_ms},
                   {"--ramp-ms", &want.ramp_ms},
                   {"--drain-ms", &want.drain_ms},
                   {"--status", &want.status},
                   {"--expect", &want.expect},
                   {"--gap-ms", &want.gap_ms},
                   {"--total", &want.total},
                   {"--rate", &want.rate}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(name, numbers[i].name) == 0) {
            *numbers[i].to = number(name, value, 100000000);
            return true;
        }
    }
    return false;
}

static const struct needle *make_needle(struct needle *n, const char *text)
{
    needle_init(n, text);
    return n;
}

static void pids_add(struct pids *pids, uint32_t pid)
{
    if (pids->count == PIDS_MAX) {
        fprintf(stderr, "more than %d processes\n", PIDS_MAX);
        exit(2);
    }
    pids->at[pids->count++] = (pid_t)pid;
}

void options_read(int argc, char **argv)
{
    const char *method = "POST", *path = "/", *body = "";
    char *headers = NULL;
    size_t headers_len = 0;
    FILE *f = open_memstream(&headers, &headers_len);
    if (!f)
        die("open_memstream");
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[++i] : "";
        if (set_number(name, value))
            continue;
        if (strcmp(name, "--port") == 0)
            want.port = (uint16_t)number(name, value, 65535);
        else if (strcmp(name, "--unix") == 0)
            want.unix_path = value;
        else if (strcmp(name, "--method") == 0)
            method = value;
        else if (strcmp(name, "--path") == 0)
            path = value;
        else if (strcmp(name, "--body") == 0)
            body = value;
        else if (strcmp(name, "--header") == 0)
            fprintf(f, "%s\r\n", value);
        else if (strcmp(name, "--once") == 0)
            want.once = number(name, value, 1) == 1;
        else if (strcmp(name, "--count") == 0)
            want.count = make_needle(&count_needle, value);
        else if (strcmp(name, "--ok") == 0)
            want.ok = make_needle(&ok_needle, value);
        else if (strcmp(name, "--pid") == 0)
            pids_add(&want.pids, number(name, value, INT32_MAX));
        else if (strcmp(name, "--beside") == 0)
            pids_add(&want.beside, number(name, value, INT32_MAX));
        else {
            fputs(help, strcmp(name, "--help") == 0 ? stdout : stderr);
            exit(strcmp(name, "--help") == 0 ? 0 : 2);
        }
    }
    if (fclose(f) != 0)
        die("fclose");
    make_request(method, path, headers, body);
    free(headers);
}
