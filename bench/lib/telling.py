"""Tables of what was measured."""


def grouped(x, digits=0):
    return f"{x:,.{digits}f}"


def cell(values, digits=0):
    return f"{grouped(values['median'], digits)} ({grouped(values['min'], digits)}–{grouped(values['max'], digits)})"


def print_table(lines):
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        print("  " + line[0].ljust(widths[0]) + "".join("   " + c.rjust(w) for c, w in zip(line[1:], widths[1:])))


def ratio(row, reference, metric="cpu"):
    value = row.get(f"x_{reference}", {}).get(metric)
    return f"{value:.2f}" if value is not None else ""


def print_lane(lane, result):
    print(f"\n{lane.title}")
    what = "token" if lane.streams else "request"
    head = ["", f"{what}s/s", "p50 µs", "p99 µs", f"CPU µs/{what}", "CPU/floor", "CPU/nginx", "CPU/haproxy"]
    if lane.streams:
        head[2:4] = ["first token p50 µs", "p99 µs"]
        head.append("stalls")
    if lane.added:
        head.append(f"added {lane.added} µs")
    if lane.name == "slow":
        head.append("PSS MiB")
    lines = [head]
    for name, row in result.items():
        if not row["rounds"]:
            continue
        m = row["median"]
        line = [name, cell(m["rate"]), cell(m["p50"]), cell(m["p99"]), cell(m["cpu"], 1), ratio(row, "floor"),
                ratio(row, "nginx"), ratio(row, "haproxy")]
        if lane.streams:
            line.append(grouped(m["stalls"]["median"]))
        if lane.added:
            line.append(cell(row["added"]) if "added" in row else "")
        if lane.name == "slow":
            line.append(grouped(m["pss_kib"]["median"] / 1024, 1))
        lines.append(line)
    print_table(lines)
    for name, row in result.items():
        if row["failed"]:
            print(f"  {name}: failed: {row['failed']}")
        elif any(r["errors"] for r in row["rounds"]):
            print(f"  {name}: {sum(r['errors'] for r in row['rounds']):.0f} errors")


def print_idle(result):
    print("\nidle: memory (MiB) before the first request and after the last lane")
    lines = [["", "PSS", "anonymous", "PSS after", "anonymous after"]]
    for name, row in result.items():
        if row["failed"] or "before" not in row:
            continue
        after = row.get("after", {})
        lines.append([name] + [f"{m[k] / 1024:.1f}" if k in m else "gone"
                               for m in (row["before"], after) for k in ("pss_kib", "anon_kib")])
    print_table(lines)
    for name, row in result.items():
        if row["failed"]:
            print(f"  {name}: failed: {row['failed']}")
