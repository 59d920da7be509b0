"""What is asked of the contestants, as words for the command line of the load generator."""

import json

CHAT = "/v1/chat/completions"
PROMPT = "Say hello in one short sentence."


class Pace:
    """A stream's length and speed; the mock reads both from the address. `agent` is the one that asks for it."""

    def __init__(self, tokens, gap_ms, delay_ms=0):
        self.tokens, self.gap_ms = tokens, gap_ms
        self.prefix = f"/t{tokens}/g{gap_ms}/d{delay_ms}"
        self.agent = f"stream-{tokens}-{gap_ms}"


FAST, PACED, SLOW = Pace(100, 1), Pace(100, 10), Pace(20, 1000)
WATCHED, FLOOD = Pace(30, 20, 300), Pace(300, 1, 300)
PACES = (FAST, PACED, SLOW, WATCHED, FLOOD)


def chat_request(pace=None):
    body = {"model": "m", "messages": [{"role": "user", "content": PROMPT}], "stream": pace is not None}
    request = ["--body", json.dumps(body), "--path", (pace.prefix if pace else "") + CHAT]
    if pace is None:
        return request + ["--ok", '"finish_reason":"stop"']
    return request + ["--ok", "[DONE]", "--count", '"content":', "--expect", str(pace.tokens)]


def create_request(body, *words):
    return ["--path", "/v1/runs", "--body", json.dumps(body), *words]


def run_request(durability, agent="mock"):
    """A run whose caller waits for its end."""
    body = {"agent": agent, "input": PROMPT, "durability": durability}
    return create_request(body, "--header", "Prefer: wait=30", "--ok", 'succeeded"')


def accept_request(agent="echo", text=""):
    return create_request({"agent": agent, "input": text}, "--status", "202", "--ok", "run_")


def get_request(path, ok):
    return ["--method", "GET", "--path", path, "--ok", ok]


def stream_request(pace):
    """A run that ends with its client, as the request of a proxy does: the end of a round leaves nothing behind."""
    body = {"agent": pace.agent, "input": PROMPT, "on_disconnect": "cancel"}
    return create_request(body, "--header", "Accept: text/event-stream", *events_of(pace))


def follow_request(pace):
    """The events of a run; its path is still to be added."""
    return ["--method", "GET", "--header", "Accept: text/event-stream", "--gap-ms", str(pace.gap_ms), *events_of(pace)]


def events_of(pace):
    return ["--ok", "event: run.finished", "--count", "event: output.delta", "--expect", str(pace.tokens)]
