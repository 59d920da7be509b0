"""A line chart as SVG: a logarithmic x axis, a linear y axis from 0, a curve for each name."""

import html
import math

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 60, 170, 48, 52
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b")


def write(path, title, x_label, y_label, curves):
    """`curves`: name to a list of (x >= 1, y >= 0)."""
    with open(path, "w", encoding="utf-8") as f:
        f.write(svg(title, x_label, y_label, curves))


def svg(title, x_label, y_label, curves):
    points = [p for curve in curves.values() for p in curve]
    area = Area(max(x for x, _ in points), max(y for _, y in points))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        text(LEFT, 24, title, 'font-size="13"'),
        *x_axis(area, x_label), *y_axis(area, y_label),
    ]
    for i, (name, curve) in enumerate(curves.items()):
        parts += draw_curve(area, name, curve, COLOURS[i % len(COLOURS)], i)
    return "\n".join(parts + ["</svg>"]) + "\n"


class Area:
    """Where a value stands on the paper."""

    def __init__(self, x_most, y_most):
        self.decades = max(1, math.ceil(math.log10(x_most)))
        self.step = nice_step(y_most)
        self.y_most = self.step * math.ceil(y_most * 1.05 / self.step)

    def x(self, value):
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log10(value) / self.decades

    def y(self, value):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.y_most


def nice_step(most):
    """1, 2 or 5 times a power of ten, so that there are about five lines."""
    rough = max(most, 1e-9) / 5
    power = 10 ** math.floor(math.log10(rough))
    return next(power * m for m in (1, 2, 5, 10) if power * m >= rough)


def text(x, y, words, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{html.escape(words)}</text>'


def line(x1, y1, x2, y2, colour="#ddd"):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def x_axis(area, label):
    parts = [text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, label, 'text-anchor="middle"')]
    for decade in range(area.decades + 1):
        x = area.x(10**decade)
        parts += [line(x, TOP, x, HEIGHT - BOTTOM), text(x, HEIGHT - BOTTOM + 18, f"{10**decade:,}", 'text-anchor="middle"')]
    return parts


def y_axis(area, label):
    parts = [text(LEFT, TOP - 6, label, 'fill="#555"')]
    for i in range(round(area.y_most / area.step) + 1):
        y = area.y(i * area.step)
        parts += [line(LEFT, y, WIDTH - RIGHT, y), text(LEFT - 8, y + 4, f"{i * area.step:g}", 'text-anchor="end"')]
    return parts


def draw_curve(area, name, curve, colour, i):
    at = [(area.x(x), area.y(y)) for x, y in curve]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
    key = TOP + 12 + 20 * i
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in at),
        line(WIDTH - RIGHT + 14, key - 4, WIDTH - RIGHT + 34, key - 4, colour), text(WIDTH - RIGHT + 40, key, name),
    ]
