"""What is asked of the contestants, as words for the command line of the load generator."""

import json

CHAT = "/v1/chat/completions"
PROMPT = "Say hello in one short sentence."


class Pace:
    """A stream's length and speed; the mock reads both from the address."""

    def __init__(self, tokens, gap_ms):
        self.tokens, self.gap_ms, self.prefix = tokens, gap_ms, f"/t{tokens}/g{gap_ms}"


FAST, PACED, SLOW, WATCHED = Pace(100, 1), Pace(100, 10), Pace(10, 1000), Pace(200, 20)
PACES = (FAST, PACED, SLOW, WATCHED)


def chat_request(pace=None):
    body = {"model": "m", "messages": [{"role": "user", "content": PROMPT}], "stream": pace is not None}
    request = ["--body", json.dumps(body), "--path", (pace.prefix if pace else "") + CHAT]
    if pace is None:
        return request + ["--ok", '"finish_reason":"stop"']
    return request + ["--ok", "[DONE]", "--count", '"content":', "--expect", str(pace.tokens)]


def run_request(durability):
    body = {"agent": "mock", "input": PROMPT, "durability": durability}
    return ["--path", "/v1/runs", "--header", "Prefer: wait=30", "--body", json.dumps(body), "--ok", 'succeeded"']


def accept_request():
    return ["--path", "/v1/runs", "--body", json.dumps({"agent": "echo", "input": ""}), "--status", "202", "--ok", "run_"]


def stream_request(pace):
    body = {"agent": f"stream-{pace.tokens}-{pace.gap_ms}", "input": PROMPT}
    return ["--path", "/v1/runs", "--header", "Accept: text/event-stream", "--body", json.dumps(body),
            "--ok", "event: run.finished", "--count", "event: output.delta", "--expect", str(pace.tokens)]
