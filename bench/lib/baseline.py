"""The ratios to nginx of an earlier run, and what has moved since."""

from lib.telling import print_table, say


def ratios_to_nginx(results):
    """What a baseline keeps: only figures that mean the same on another machine."""
    return {lane: {name: row["x_nginx"] for name, row in rows.items() if "x_nginx" in row and name != "nginx"}
            for lane, rows in results.items() if any("x_nginx" in row for row in rows.values())}


def print_changes(baseline, now):
    say("\nchanges of the ratios to nginx since bench/baseline.json (10 % and more)")
    lines = []
    for lane, rows in now.items():
        for name, metrics in rows.items():
            for metric, value in metrics.items():
                was = baseline.get(lane, {}).get(name, {}).get(metric)
                if was and abs(value / was - 1) >= 0.10:
                    change = (value / was - 1) * 100
                    lines.append([f"{lane}, {name}: {metric}", f"{was:.2f}", f"{value:.2f}", f"{change:+.0f} %"])
    if lines:
        print_table([["", "was", "is", ""]] + lines)
    else:
        say("  none")
