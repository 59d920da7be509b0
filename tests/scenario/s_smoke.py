"""A short mix of everything: what valgrind can bear, and a first answer to "does it work at all"."""

from lib.bodies import fails, hanging, sim
from lib.check import check_eq, check_events, check_problem, check_run, text_of
from lib.env import time_limit


@time_limit(120)
def test_a_bit_of_everything(env):
    server, up = env.with_upstream({"up": "ok,tokens=5", "bad": "status,code=503", "cut": "close,after=1"})
    check_eq(check_run(server.run(input="hello there"))["output"], "hello there", "echo")
    check_eq(server.run("story", input="x", params=sim(tokens=20))["usage"]["output_tokens"], 20, "story")
    for accept in ("text/event-stream", "application/x-ndjson"):
        stream = server.stream_run("up", accept, input="x")
        events = stream.all()
        check_events(events)
        check_eq(text_of(events), "w0 w1 w2 w3 w4", "streamed")
        stream.close()
    check_eq(server.run("up_json", input="x")["output"], "w0 w1 w2 w3 w4", "as JSON")
    check_eq(server.run("bad", input="x")["error"]["code"], "provider_overloaded", "503")
    check_eq(server.run("cut", input="x")["error"]["code"], "provider_bad_response", "cut")
    check_eq(server.run("story", params=fails("garbage"))["error"]["code"], "provider_bad_response", "garbage")
    check_eq(server.run("story", params=hanging(), timeout_ms=300)["state"], "timed_out", "timeout")
    hung = server.start_run("up", input="[[b:hang]]")
    up.wait_entry(hung["id"])
    server.cancel(hung["id"])
    server.check_finished(hung["id"], "cancelled")
    first = server.post("/v1/runs", {"agent": "echo"}, {"Idempotency-Key": "k"}).json()
    check_eq(server.post("/v1/runs", {"agent": "echo"}, {"Idempotency-Key": "k"}).json()["id"], first["id"], "idempotency")
    left = server.stream_run("up", input="[[b:ok,gate=g]]", on_disconnect="cancel")
    run_id = server.run_id_of(left.response)
    up.wait_entry(run_id)
    left.conn.reset()
    server.check_finished(run_id, "cancelled")
    check_problem(server.post("/v1/runs", {"agent": "nobody"}), "unknown_agent")
    check_problem(server.post("/v1/runs", "{"), "invalid_json")
    check_problem(server.get("/nothing"), "not_found")
    for target in ("/livez", "/readyz", "/metrics", "/openapi.json", "/v1/runs", "/v1/providers"):
        check_eq(server.get(target).status, 200, target)
    check_eq(server.ask("DELETE", f"/v1/runs/{first['id']}").status, 204, "DELETE")
    parked = server.start_run("story", params=hanging())
    server.stop()
    server.restart()
    server.cancel(parked["id"])
    server.check_finished(parked["id"], "cancelled")
