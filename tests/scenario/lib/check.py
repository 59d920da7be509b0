"""Checks that say what was expected, what came, and in which exchange."""

import datetime
import json
import re
import time

from lib.slow import scaled


class Failure(AssertionError):
    def __init__(self, message, *shown):
        super().__init__(message)
        self.shown = shown

    def __str__(self):
        text = super().__str__()
        for item in self.shown:
            if isinstance(item, bytes):
                item = item[:3000].decode("utf-8", "backslashreplace")
            elif isinstance(item, (dict, list)):
                item = json.dumps(item, indent=1)[:6000]
            text += "\n    | " + str(item).replace("\n", "\n    | ")
        return text


def check(condition, message, *shown):
    if not condition:
        raise Failure(message, *shown)


def check_eq(actual, expected, what, *shown):
    if actual != expected:
        raise Failure(f"{what}: expected {expected!r}, got {actual!r}", *shown)


def check_in(actual, allowed, what, *shown):
    if actual not in allowed:
        raise Failure(f"{what}: expected one of {sorted(map(str, allowed))}, got {actual!r}", *shown)


def eventually(probe, what, timeout=None, every=0.005):
    """Calls probe until it returns something true; that is returned. For states that nobody announces.

    A connection that is refused or dropped meanwhile is a "not yet": servers come and go in some tests."""
    deadline = time.monotonic() + (timeout or scaled(15))
    trouble = ""
    while True:
        try:
            result = probe()
        except OSError as e:
            result, trouble = None, f" ({e})"
        if result:
            return result
        if time.monotonic() > deadline:
            raise Failure(f"never came true: {what}{trouble}")
        time.sleep(every)


# --- the contract's shapes

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
RUN_ID = re.compile(r"run_[0-9A-HJKMNP-TV-Z]{26}")
REQUEST_ID = re.compile(r"req_.+")

RUN_STATES = {"queued", "running", "waiting", "cancelling", "succeeded", "failed", "cancelled", "timed_out"}
FINAL_STATES = {"succeeded", "failed", "cancelled", "timed_out"}
REASONS = {"admission", "rate_limited", "no_free_slot", "breaker_open", "retry_timer", "dependency", "timer", "signal",
           "client_request", "client_gone", "timeout", "parent_cancelled", "shutdown"}
ERROR_CODES = {"provider_unreachable", "provider_auth", "provider_rate_limited", "provider_overloaded", "provider_error",
               "provider_timeout", "provider_bad_response", "bad_request", "context_too_long", "content_refused",
               "breaker_open", "invalid_output", "template_error", "limit_exceeded", "unknown_agent", "unknown_workflow",
               "unknown_model", "error_group", "crashed", "cancelled", "task_timeout", "run_timeout"}
PROBLEM_STATUS = {
    "invalid_json": 400, "invalid_header": 400, "invalid_query": 400, "unauthenticated": 401, "forbidden": 403,
    "not_found": 404, "method_not_allowed": 405, "not_acceptable": 406, "run_finished": 409, "run_not_finished": 409,
    "conflict": 409, "precondition_failed": 412, "body_too_large": 413, "uri_too_long": 414,
    "unsupported_media_type": 415, "headers_too_large": 431, "invalid_request": 422, "idempotency_mismatch": 422,
    "unknown_agent": 422, "unknown_workflow": 422, "unknown_model": 422, "unknown_provider": 422, "rate_limited": 429,
    "queue_full": 429, "internal": 500, "overloaded": 503, "draining": 503, "storage_unavailable": 503,
}


def check_stamp(value, what, *shown):
    check(isinstance(value, str) and STAMP.fullmatch(value), f"{what} is no RFC 3339 UTC time with ms: {value!r}", *shown)


def check_run(run, *shown):
    """A run as in API §2: every member, its type, and what must hold between them."""
    shown = shown or (run,)
    members = {"id", "object", "state", "reason", "agent", "workflow", "workflow_version", "name", "parent", "retry_of",
               "input", "output", "error", "usage", "metadata", "created_at", "started_at", "finished_at", "timeout_ms",
               "last_seq", "links"}
    check(isinstance(run, dict), "a run is an object", *shown)
    check(not members - set(run), f"members missing of a run: {sorted(members - set(run))}", *shown)
    check(RUN_ID.fullmatch(run["id"]), f"id {run['id']!r}", *shown)
    check_eq(run["object"], "run", "object", *shown)
    check_in(run["state"], RUN_STATES, "state", *shown)
    check_stamp(run["created_at"], "created_at", *shown)
    is_final = run["state"] in FINAL_STATES
    check_eq(run["finished_at"] is not None, is_final, "finished_at is set exactly when the run is finished", *shown)
    if run["finished_at"]:
        check_stamp(run["finished_at"], "finished_at", *shown)
    if run["started_at"]:
        check_stamp(run["started_at"], "started_at", *shown)
    if run["state"] in ("waiting", "cancelling"):
        check_reason(run["reason"], *shown)
    if run["state"] == "succeeded":
        check_eq(run["error"], None, "error of a succeeded run", *shown)
    elif is_final:
        check_error(run["error"], *shown)
        check_eq(run["output"], None, "output of a run that did not succeed", *shown)
    for name in ("calls", "attempts", "input_tokens", "output_tokens"):
        check(isinstance(run["usage"].get(name), int), f"usage.{name}", *shown)
    check(isinstance(run["metadata"], dict), "metadata", *shown)
    check(isinstance(run["timeout_ms"], int), "timeout_ms", *shown)
    check(isinstance(run["last_seq"], int) and run["last_seq"] >= 0, "last_seq", *shown)
    for name in ("self", "events", "tasks", "output", "cancel"):
        check(run["id"] in (run["links"].get(name) or ""), f"links.{name}", *shown)
    return run


def check_reason(reason, *shown):
    check(isinstance(reason, dict), f"a reason is an object, not {reason!r}", *shown)
    check_in(reason.get("code"), REASONS, "reason.code", *shown)
    check_stamp(reason.get("since"), "reason.since", *shown)
    check("until" in reason and "blocked_on" in reason and "message" in reason,
          f"members missing of a reason: {reason}", *shown)
    if reason["until"] is not None:
        check_stamp(reason["until"], "reason.until", *shown)
    return reason


def check_error(error, *shown):
    check(isinstance(error, dict), f"an error is an object, not {error!r}", *shown)
    for name in ("code", "message", "retryable", "task", "provider", "attempts", "errors"):
        check(name in error, f"error.{name} is missing", *shown)
    check_in(error["code"], ERROR_CODES, "error.code", *shown)
    check(isinstance(error["message"], str) and error["message"], "error.message", *shown)
    check(isinstance(error["retryable"], bool), "error.retryable", *shown)
    check(isinstance(error["errors"], list), "error.errors", *shown)
    return error


def check_problem(r, code, status=None, errors=None, line=None, column=None, run_id=None):
    """An answer as in API §6. errors: [(pointer, code)] in order, or None for "not looked at"."""
    check_eq(r.status, status or PROBLEM_STATUS[code], f"status of {code}", r)
    check_eq(r.media_type, "application/problem+json", "Content-Type", r)
    p = r.json()
    check_eq(p.get("code"), code, "code", r)
    check_eq(p.get("type"), f"/problems/{code}", "type", r)
    check_eq(p.get("status"), r.status, "status in the body", r)
    check(isinstance(p.get("title"), str) and p["title"], "title", r)
    check(isinstance(p.get("detail"), str) and p["detail"], "detail", r)
    check(isinstance(p.get("retryable"), bool), "retryable", r)
    check_eq(p.get("request_id"), r.header("x-request-id"), "request_id against X-Request-Id", r)
    check(p.get("request_id"), "X-Request-Id", r)
    check("run_id" in p, "run_id is a member (null where there is none)", r)
    if run_id:
        check_eq(p["run_id"], run_id, "run_id", r)
    found = p.get("errors") or []
    for e in found:
        check({"pointer", "code", "detail"} <= set(e), f"members of errors[]: {e}", r)
    check(len(found) <= 20, f"{len(found)} errors, at most 20", r)
    if errors is not None:
        check_eq([(e["pointer"], e["code"]) for e in found], list(errors), "errors[]", r)
    if line is not None:
        check_eq((p.get("line"), p.get("column")), (line, column), "line, column", r)
    if status_wants_retry_after(code):
        after = r.header("retry-after")
        check(after and re.fullmatch("[1-9][0-9]*", after), f"Retry-After: {after!r}", r)
    return p


def status_wants_retry_after(code):
    return code in ("rate_limited", "queue_full", "overloaded", "draining", "storage_unavailable")


# --- events

def check_gapless(events, first=1):
    """seq goes up by one; only a stream.gap may jump, and it says by how much (API §3)."""
    expected = first
    for e in events:
        if e.type == "stream.gap":
            if e.data.get("from") != expected or e.data.get("to") != e.seq - 1:
                raise Failure(f"stream.gap {e}: from is the last seq + 1 ({expected}), to its own seq - 1", repr(events))
        elif e.seq != expected:
            raise Failure(f"seq of {e}: expected {expected}", repr(events))
        expected = e.seq + 1


def check_events(events, run_id=None):
    """What holds for the whole log of every finished run."""
    check_gapless(events)
    check(events, "there are no events")
    check_eq([e.type for e in events].count("run.finished"), 1, "run.finished comes once", repr(events))
    check_eq(events[-1].type, "run.finished", "the last event", repr(events))
    for e in events:
        if run_id and e.json.get("run_id") != run_id:
            raise Failure(f"run_id of an event: expected {run_id}", e.raw)
        check_stamp(e.json.get("at"), "at", e.raw)
        check("data" in e.json, "an event has data", e.raw)
        check(e.type.startswith(("run.", "stream.")) or "task" in e.json, "an event of a task names it", e.raw)


def types(events, *without):
    """The types in order; `output.delta*` folded into one."""
    names = []
    for e in events:
        if e.type in without or (e.type == "output.delta" and names and names[-1] == "output.delta"):
            continue
        names.append(e.type)
    return names


def stamp_ms(at):
    """A time that the server gave, in ms: no reader that is late makes it late."""
    return datetime.datetime.fromisoformat(at).timestamp() * 1000


def text_of(events):
    return "".join(e.data.get("text", "") for e in events if e.type == "output.delta")
