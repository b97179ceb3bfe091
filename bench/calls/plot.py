"""The figures of bench/calls/run as SVG: one panel a case, time a job against depth, a line an engine."""
import html
import math

WIDTH, HEIGHT = 420, 300  # of a panel
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 34, 44
COLUMNS = 3
LEGEND = 60
COLORS = {"sync": "#555555", "sync, 2 threads": "#999999", "libuv": "#1b7837", "libeio": "#7fbf7b", "aio": "#b8860b", "io_uring": "#2166ac",
          "io_uring SQPOLL": "#67a9cf", "hascall": "#d6301d", "hascall, no help": "#f4a582", "hascall polling": "#8e0152"}
UNITS = ((1e6, "ms"), (1e3, "us"), (1, "ns"))


def unit(ns):
    for size, name in UNITS:
        if ns >= size:
            return f"{ns / size:g} {name}"
    return f"{ns:g} ns"


def text(x, y, words, anchor="middle", size=12, extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"{extra}>{html.escape(words)}</text>'


class Scale:
    """Logarithmic, from values to places."""

    def __init__(self, least, most, begin, end):
        self.least, self.most = math.log10(least), math.log10(most)
        self.begin, self.end = begin, end

    def __call__(self, value):
        part = (math.log10(value) - self.least) / ((self.most - self.least) or 1)
        return self.begin + part * (self.end - self.begin)


def axes(title, depths, x, y, decades):
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    out = [text(LEFT + (right - LEFT) / 2, 20, title, size=14, extra=' font-weight="bold"')]
    for decade in decades:
        for factor in range(1, 10):
            place = y(decade * factor) if y.least <= math.log10(decade * factor) <= y.most else None
            if place is None:
                continue
            shade = "#bbbbbb" if factor == 1 else "#eeeeee"
            out.append(f'<line x1="{LEFT}" y1="{place:.1f}" x2="{right}" y2="{place:.1f}" stroke="{shade}"/>')
            if factor == 1 or (factor in (2, 5) and y.most - y.least < 1.7):
                out.append(text(LEFT - 6, place + 4, unit(decade * factor), "end", 11))
    for depth in depths:
        out.append(f'<line x1="{x(depth):.1f}" y1="{TOP}" x2="{x(depth):.1f}" y2="{bottom}" stroke="#eeeeee"/>')
        out.append(text(x(depth), bottom + 16, str(depth), size=11))
    out.append(f'<rect x="{LEFT}" y="{TOP}" width="{right - LEFT}" height="{bottom - TOP}" fill="none" stroke="#333333"/>')
    out.append(text(LEFT + (right - LEFT) / 2, bottom + 34, "calls under way", size=11))
    middle = TOP + (bottom - TOP) / 2
    out.append(text(14, middle, "time a job", size=11, extra=f' transform="rotate(-90 14 {middle:.1f})"'))
    return out


def panel(title, lines):
    """lines: engine -> [(depth, ns, p10)]"""
    depths = sorted({depth for points in lines.values() for depth, _ in points})
    values = [ns for points in lines.values() for _, ns in points]
    low, high = math.floor(math.log10(min(values)) * 3) / 3, math.ceil(math.log10(max(values)) * 3) / 3
    decades = [10.0 ** k for k in range(math.floor(low), math.ceil(high) + 1)]
    x = Scale(depths[0], depths[-1], LEFT + 14, WIDTH - RIGHT - 14)
    y = Scale(10 ** low, 10 ** high, HEIGHT - BOTTOM, TOP)
    out = axes(title, depths, x, y, decades)
    for engine, points in lines.items():
        color, wide = COLORS.get(engine, "#000000"), 3 if engine == "hascall" else 1.5
        places = " ".join(f"{x(depth):.1f},{y(ns):.1f}" for depth, ns in points)
        out.append(f'<polyline points="{places}" fill="none" stroke="{color}" stroke-width="{wide}"/>')
        for depth, ns in points:
            note = html.escape(f"{engine}, depth {depth}: {ns:.0f} ns")
            out.append(f'<circle cx="{x(depth):.1f}" cy="{y(ns):.1f}" r="{wide + 1}" fill="{color}"><title>{note}</title></circle>')
    return out


def bars(title, values):
    """values: engine -> ns"""
    out = [text(WIDTH / 2, 20, title, size=14, extra=' font-weight="bold"')]
    most = max(values.values())
    for number, (engine, ns) in enumerate(values.items()):
        top = TOP + 8 + number * 24
        length = max(1.0, ns / most * (WIDTH - 230))
        out.append(text(128, top + 13, engine, "end", 11))
        out.append(f'<rect x="134" y="{top}" width="{length:.1f}" height="17" fill="{COLORS.get(engine, "#000000")}"/>')
        out.append(text(140 + length, top + 13, unit(float(f"{ns:.3g}")), "start", 11))
    return out


def collect(bench, plan):
    """[(title, drawing)] in the order of the plan."""
    panels = []
    for how, case in dict.fromkeys((how, case) for how, case, _, _ in plan):
        lines = {}
        for key in bench.figures:
            if key[:2] == (how, case) and bench.middle(key) is not None:
                lines.setdefault(key[3], []).append((key[2], bench.middle(key)))
        lines = {engine: sorted(lines[engine]) for engine in bench.can if engine in lines}
        if how == "window" and lines:
            panels.append(panel(case, lines))
        elif lines:
            title = {"bursts": f"64 x {case} at once, time of all", "offload": f"{case}: the caller's loss a call"}[how]
            times = 64 if how == "bursts" else 1
            panels.append(bars(title, {engine: max(0.0, points[-1][1]) * times for engine, points in lines.items()}))
    return panels


def draw(bench, plan):
    panels = collect(bench, plan)
    rows = (len(panels) + COLUMNS - 1) // COLUMNS
    width, height = COLUMNS * WIDTH, rows * HEIGHT + LEGEND
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
           'font-family="sans-serif">', f'<rect width="{width}" height="{height}" fill="white"/>']
    shown = {key[3] for key in bench.figures}
    for number, engine in enumerate(name for name in bench.can if name in shown):
        place = 20 + number * 124
        out.append(f'<rect x="{place}" y="14" width="14" height="14" fill="{COLORS.get(engine, "#000000")}"/>')
        out.append(text(place + 19, 26, engine, "start"))
    m = bench.machine
    out.append(text(20, 48, f"{m['processor']}, {m['processors']} processors, Linux {m['kernel']}; middle of {len(bench.pairs) - 1} rounds",
                    "start", 11))
    for number, drawing in enumerate(panels):
        across, down = number % COLUMNS * WIDTH, number // COLUMNS * HEIGHT + LEGEND
        out += [f'<g transform="translate({across} {down})">', *drawing, "</g>"]
    return "\n".join(out + ["</svg>"]) + "\n"
