#ifndef SLUICE_BASE_ERR_H
#define SLUICE_BASE_ERR_H
/* Every way in which something can fail, in one table.
 *
 * A row carries the symbol, the code on the wire (docs/: the API's problem codes and a run's
 * `error.code`), the HTTP status where it can be an answer (0: it never is), whether a client may
 * expect the same request to work later, and the title that a person reads. What can fail returns
 * `enum err` and is MUST_CHECK; `struct error` carries the rest to where a person reads it.
 * Stateless; any thread. */
#include <stdbool.h>
#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
/* For the rare result that decides nothing; the reason stands beside it. */
#define IGNORE_RESULT(call)                                                                        \
    do {                                                                                           \
        if (call) {                                                                                \
        }                                                                                          \
    } while (0)
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* X(symbol, wire code, HTTP status, retryable, title) */
#define ERR_TABLE(X)                                                                               \
    X(OK, "ok", 0, false, "No error")                                                              \
    /* answers to requests */                                                                      \
    X(INVALID_JSON, "invalid_json", 400, false, "The body is not valid JSON")                      \
    X(INVALID_HEADER, "invalid_header", 400, false, "A header is not valid")                       \
    X(INVALID_QUERY, "invalid_query", 400, false, "The query is not valid")                        \
    X(UNAUTHENTICATED, "unauthenticated", 401, false, "A valid API key is needed")                 \
    X(FORBIDDEN, "forbidden", 403, false, "This key may not do that")                              \
    X(NOT_FOUND, "not_found", 404, false, "There is no such thing")                                \
    X(METHOD_NOT_ALLOWED, "method_not_allowed", 405, false, "Not with this method")                \
    X(NOT_ACCEPTABLE, "not_acceptable", 406, false, "None of the accepted types can be served")    \
    X(RUN_FINISHED, "run_finished", 409, false, "The run has already ended")                       \
    X(RUN_NOT_FINISHED, "run_not_finished", 409, true, "The run has not ended yet")                \
    X(CONFLICT, "conflict", 409, false, "The state of the thing does not allow that")              \
    X(PRECONDITION_FAILED, "precondition_failed", 412, false, "The precondition does not hold")    \
    X(BODY_TOO_LARGE, "body_too_large", 413, false, "The body is too large")                       \
    X(URI_TOO_LONG, "uri_too_long", 414, false, "The URI is too long")                             \
    X(UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", 415, false, "The body must be JSON")       \
    X(HEADERS_TOO_LARGE, "headers_too_large", 431, false, "The header is too large")               \
    X(INVALID_REQUEST, "invalid_request", 422, false, "The request is not valid")                  \
    X(IDEMPOTENCY_MISMATCH, "idempotency_mismatch", 422, false,                                    \
      "The Idempotency-Key was used with another body")                                            \
    X(UNKNOWN_AGENT, "unknown_agent", 422, false, "There is no such agent")                        \
    X(UNKNOWN_WORKFLOW, "unknown_workflow", 422, false, "There is no such workflow")               \
    X(UNKNOWN_MODEL, "unknown_model", 422, false, "There is no such model")                        \
    X(UNKNOWN_PROVIDER, "unknown_provider", 422, false, "There is no such provider")               \
    X(RATE_LIMITED, "rate_limited", 429, true, "Too many requests")                                \
    X(QUEUE_FULL, "queue_full", 429, true, "The provider's queue is full")                         \
    X(INTERNAL, "internal", 500, true, "Something went wrong in the gateway")                      \
    X(OVERLOADED, "overloaded", 503, true, "The gateway is at its limit")                          \
    X(DRAINING, "draining", 503, true, "The gateway is shutting down")                             \
    X(STORAGE_UNAVAILABLE, "storage_unavailable", 503, true, "The gateway cannot store runs now")  \
    /* what becomes of a run */                                                                    \
    X(PROVIDER_UNREACHABLE, "provider_unreachable", 0, true, "The provider cannot be reached")     \
    X(PROVIDER_AUTH, "provider_auth", 0, false, "The provider refuses our credentials")            \
    X(PROVIDER_RATE_LIMITED, "provider_rate_limited", 0, true, "The provider limits our rate")     \
    X(PROVIDER_OVERLOADED, "provider_overloaded", 0, true, "The provider is overloaded")           \
    X(PROVIDER_ERROR, "provider_error", 0, true, "The provider failed")                            \
    X(PROVIDER_TIMEOUT, "provider_timeout", 0, true, "The provider took too long")                 \
    X(PROVIDER_BAD_RESPONSE, "provider_bad_response", 0, true, "The answer was cut or unreadable") \
    X(BAD_REQUEST, "bad_request", 0, false, "The provider refuses the request")                    \
    X(CONTEXT_TOO_LONG, "context_too_long", 0, false, "The input is too long for the model")       \
    X(CONTENT_REFUSED, "content_refused", 0, false, "The provider refuses the content")            \
    X(BREAKER_OPEN, "breaker_open", 0, true, "The provider's circuit breaker is open")             \
    X(INVALID_OUTPUT, "invalid_output", 0, false, "The output is not what was asked for")          \
    X(TEMPLATE_ERROR, "template_error", 0, false, "A reference cannot be resolved")                \
    X(LIMIT_EXCEEDED, "limit_exceeded", 0, false, "A limit was exceeded")                          \
    X(ERROR_GROUP, "error_group", 0, false, "Several tasks failed")                                \
    X(CRASHED, "crashed", 0, true, "The gateway stopped during the call")                          \
    X(CANCELLED, "cancelled", 0, false, "It was cancelled")                                        \
    X(TASK_TIMEOUT, "task_timeout", 0, false, "The task ran out of time")                          \
    X(RUN_TIMEOUT, "run_timeout", 0, false, "The run ran out of time")                             \
    /* inside the process only */                                                                  \
    X(NOMEM, "internal", 500, true, "Out of memory")                                               \
    X(LIMIT, "limit", 0, false, "A bound was reached")                                             \
    X(IO, "io", 0, false, "Input or output failed")                                                \
    X(BUSY, "busy", 0, true, "In use by somebody else")                                            \
    X(CONFIG, "config", 0, false, "The configuration is not valid")

enum err {
#define ERR_ROW(symbol, code, status, retryable, title) ERR_##symbol,
    ERR_TABLE(ERR_ROW)
#undef ERR_ROW
        ERR_COUNT_
};
#define OK ERR_OK

const char *err_code(enum err e);
int err_status(enum err e); /* the HTTP status, 0 where it is never an answer */
bool err_is_retryable(enum err e);
const char *err_title(enum err e);

/* The row with that wire code, ERR_COUNT_ if there is none. */
enum err err_from_code(const char *code, size_t len);

/* An error on its way to a person. Bounded: what does not fit is cut at a character's border. */
struct error {
    enum err code;
    char message[320];
};

/* Fills `ret` (may be NULL) and returns `code`, so that a caller can `return error_set(...)`. */
enum err error_set(struct error *ret, enum err code, const char *format, ...) PRINTF_LIKE(3, 4);
#endif
