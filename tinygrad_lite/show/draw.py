"""The picture of a graph: a box for each node, with its formula, its value and its derivative.

`draw` writes DOT, Graphviz's language; `engine.py` has a layout engine turn it into SVG or PNG. The
elements of the SVG can be found again, by a page that lights them up:

- `g#n3.node` is the box of node 3 of `visible(root)`, the topological order (the first is 0). Its
  classes say `leaf`, `constant` or `operation`, and `root`. Its `text` elements are the formula,
  the value (`fill="#005a9c"`) and the derivative (`fill="#a63a00"`), in that order; a constant has
  its number as the first, and no other.
- `g#e3_0.edge` is the edge into node 3 from its first argument; its `text`, if it has one, is the
  local derivative.
- `g#g0.node.group`, `g#g1`, … are what `group` collapsed, `g#more` what `depth` cut; edges there
  have no id of ours.
- Each `title` says in one line what the element is about, also where the picture has no room.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ..op import constant
from ..value import Value
from .boxes import DRAW_LESS, Box, GroupBy, homes
from .naming import short, shown
from .notation import TEXT, write
from .steps import Arg, Forward, adjoints, check_root, forward, held, reached
from .symbol import Symbol
from .textbook import WholeOp
from .whole import visible
from .writer import symbol_of

if TYPE_CHECKING:
    from .engine import Picture

# Told apart by the colour-blind too, and readable on white: contrast 7.1 and 6.5.
VALUE, DERIVATIVE = "#005A9C", "#A63A00"
FULL_LABELS, NUMBER_LABELS = 12, 60
"""Up to how many boxes the edges say `∂c/∂a = 1`, and up to how many `1`."""
_LONG = 40
WIDE = 750
"""How many points wide a picture from left to right may be: 1000 pixels."""

# A white ground, not none: the text is dark, and so may be the page. The engine knows the widths of
# Helvetica's letters, but not those of a list of fonts.
_GRAPH = {"bgcolor": "white", "pad": "0.1", "nodesep": "0.22"}
_FONT = {"fontname": "Helvetica", "fontcolor": "#1A1A1A"}
_NODE = _FONT | {"shape": "box", "style": "rounded", "fontsize": "13", "color": "#333333"}
_EDGE = _FONT | {"fontsize": "11", "fontcolor": DERIVATIVE, "color": "#666666", "arrowsize": "0.7"}
_LOOKS: dict[str, dict[str, str]] = {
    "leaf": {"style": "rounded,filled", "fillcolor": "#E3F0FA"},
    "constant": {"style": "rounded,dashed", "margin": "0.08,0.04", "width": "0", "height": "0"},
    "operation": {},
    "group": {"style": "filled", "fillcolor": "#F0F0F0"},
}
_FAINT = "#A6A6A6"
"""For the edges of groups, which are many: a hidden layer has one for each pair of neurons."""
_LONGEST = 50_000
"""How many ranks all edges together may span: the engine puts a point on each, for 4 seconds."""
_MANY_EDGES = 200
# Without limits some graphs of 200 edges take minutes: their ranks, their crossings, their splines.
_LIMITS = {"nslimit": "0.1", "mclimit": "0.1", "splines": "line"}
Edge = tuple[str, str, str | None]
"""The ids of two boxes, and its own if it is one of ours."""


def draw(
    root: Value,
    *,
    depth: int | None = None,
    group: GroupBy = None,
    direction: str | None = None,
    engine: str | None = None,
) -> Picture:
    """The picture of the graph below `root`: shown by a notebook, or written by `.save("e.svg")`.

    A box says `c = a + b`, its value and ∂root/∂c, whether or not `backward` was called; an edge
    has the local derivative. Leaves are filled, constants dashed, the root has a double border.

    >>> a = Value(3.0, "a")
    >>> print(draw((a * a).named("b")).source)  # doctest: +ELLIPSIS, +NORMALIZE_WHITESPACE
    digraph computation {
    ...
        n0 [label=<...<B>a</B>...<FONT COLOR="#005A9C">3</FONT>...>∂b/∂a = 6</FONT>...]
    ...

    A picture of more than 300 boxes, or of edges so many and long that their layout would take more
    than some seconds, raises ValueError. `depth` draws only the nodes within so many
    edges of the root. `group` draws one box for many nodes: it is a function from a node to what
    its box is called (None: it has its own), or a separator: with "." a label such as `h1.w2` puts
    its node in the box `h1`. An unlabelled node joins the box of its leaves, else that of its
    arguments if they are all in one.

    `direction` is "LR", from left to right, or "TB", from top to bottom; without it a picture that
    would be wider than 1000 pixels goes down. `engine` is the path or the name of a layout engine,
    for when the one that is found is not wanted.
    """
    check_root("draw", root)
    if direction not in (None, "LR", "TB"):
        raise ValueError(f"draw: expected 'LR' or 'TB' as the direction, got {direction!r}")
    order = visible(root)
    steps = forward(order)
    home = homes(order, steps, group, depth)
    picture = _picture(steps, home, direction)
    picture.executable = engine
    return picture


def _picture(steps: Sequence[Forward], home: Sequence[Box], direction: str | None) -> Picture:
    from .engine import Picture

    boxes = list(dict.fromkeys(home))
    texts = _rows(boxes, steps, home)
    edges = _edges(steps, home)
    labels = {edge: _shortened(text, len(boxes)) for edge, text in edges.items()}
    ranks = _ranks(boxes, edges)
    _check_length(ranks, labels)
    gap = min(max(0.45, len(edges) / len(boxes) / 4), 3)  # crowded edges need a wide gap
    look = _GRAPH | {"ranksep": str(round(gap, 2))}
    look["rankdir"] = direction or _direction(texts, ranks, labels, gap)
    look |= _LIMITS if len(edges) > _MANY_EDGES else {}
    picture = Picture(
        "computation", format="svg", graph_attr=look, node_attr=_NODE, edge_attr=_EDGE
    )
    picture.boxes = len(boxes)
    picture.home = [box.id for box in home]
    picture.titles = _titles(texts, edges, steps[-1])
    for box, rows in texts.items():
        look = _look(box, rows, is_root=box is home[-1])
        picture.node(box.id, _box_label(box, rows), id=box.id, **look)
    for (tail, head, id), text in labels.items():
        label = _label(_row(text)) if text else None
        picture.edge(tail, head, label, id=id, color=None if id else _FAINT)
    return picture


def _rows(
    boxes: Sequence[Box], steps: Sequence[Forward], home: Sequence[Box]
) -> dict[Box, list[str]]:
    """The lines of text in each box: title, value, derivative.

    A box of many nodes shows the value and the derivative of its output, if it is one.
    """
    root = steps[-1]
    derivatives = adjoints(steps)
    outputs = {
        arg.index for step in steps for arg in step.args if home[arg.index] is not home[step.index]
    }
    outputs.add(root.index)
    rows = {}
    for box in boxes:
        rows[box] = [_title(box)]
        shows = [step for step in box.steps if step.index in outputs and step.op is not constant]
        if len(shows) == 1 and box.id != "more":
            (step,) = shows
            slope = TEXT.slope(root.name, step.name)
            rows[box] += [shown(step.value), f"{slope} = {shown(derivatives[step.index])}"]
    return rows


def _title(box: Box) -> str:
    if box.id == "more":
        return f"… {len(box.steps)} more"
    return formula(box.single) if box.single else f"{box.title}: {len(box.steps)} nodes"


def formula(step: Forward) -> str:
    """How a node was computed, `c = a + b`; of a leaf or a constant its name."""
    if step.op is None or not step.args:
        return step.name
    written = write(Symbol(step.op, [*map(symbol_of, step.args)]), TEXT)
    if isinstance(step.op, WholeOp) and len(written) > _LONG:
        written = step.op.brief.format(*(arg.name for arg in step.args))
    return f"{step.name} = {short(written)}"


def _row(text: str, color: str | None = None) -> str:
    # In an element of its own, a backslash does not begin an escape: Graphviz would show \N as the
    # node's id.
    escaped = html.escape(text).replace("\\", "<FONT>&#92;</FONT>")
    return f'<FONT COLOR="{color}">{escaped}</FONT>' if color else escaped


def _box_label(box: Box, rows: Sequence[str]) -> str:
    title, *others = rows
    plain = box.id == "more" or _kind(box) == "constant"
    head = _row(title) if plain else f"<B>{_row(title)}</B>"
    return _label(head, *(_row(*each) for each in zip(others, (VALUE, DERIVATIVE), strict=False)))


def _label(*rows: str) -> str:
    if len(rows) == 1:
        return f"<{rows[0]}>"
    # Rows of a table, not line breaks: between lines of several colours Graphviz leaves too little
    # space.
    cells = "".join(f"<TR><TD>{row}</TD></TR>" for row in rows)
    table = '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0">'
    return f"<{table}{cells}</TABLE>>"


def _kind(box: Box) -> str:
    if box.single is None:
        return "group"
    op = box.single.op
    return "leaf" if op is None else "constant" if op is constant else "operation"


def _look(box: Box, rows: Sequence[str], *, is_root: bool) -> dict[str, str]:
    kind = _kind(box)
    # Wider for a long text: a reader's font may be wider than Helvetica.
    margin = max(0.14, 0.008 * max(map(len, rows)))
    look = {"margin": f"{margin:.2f},0.06"} | _LOOKS[kind]
    return look | ({"class": f"{kind} root", "peripheries": "2"} if is_root else {"class": kind})


def _edges(steps: Sequence[Forward], home: Sequence[Box]) -> dict[Edge, str | None]:
    """What each edge says: `x * x` has two. Boxes of many nodes share one, without."""
    edges: dict[Edge, str | None] = {}
    flows = reached(steps, {box.single.index for box in home if box.single})
    for step in steps:
        for k, arg in enumerate(step.args):
            tail, head = home[arg.index], home[step.index]
            single = tail.single and head.single
            text = _local(step, arg, flows) if single and not arg.constant else None
            if tail is not head:
                edges[tail.id, head.id, f"e{step.index}_{k}" if single else None] = text
    return edges


def _local(step: Forward, arg: Arg, flows: Mapping[int, int]) -> str:
    """`∂c/∂b = 1`; but `(∂e/∂b)|_c = 1` where e uses b directly and through c, which is held."""
    left = TEXT.local(step.name, arg.name, held(step, arg.index, flows))
    return f"{left} = {shown(arg.partial or 0.0)}"


def _shortened(text: str | None, boxes: int) -> str | None:
    """What a picture of so many boxes has room for on an edge."""
    if text is None or boxes > NUMBER_LABELS:
        return None
    return text if boxes <= FULL_LABELS else text.rpartition(" = ")[2]


def _titles(
    texts: Mapping[Box, Sequence[str]], edges: Mapping[Edge, str | None], root: Forward
) -> dict[str, str]:
    """What each box and each edge says in one line, and the whole picture."""
    titles = {id: text for (_, _, id), text in edges.items() if id and text}
    for box, rows in texts.items():
        titles[box.id] = ", ".join([" = ".join(rows[:2]), *rows[2:]])
    return titles | {"": f"The graph of {formula(root)} = {shown(root.value)}, from leaves to root"}


def _ranks(boxes: Sequence[Box], edges: Iterable[Edge]) -> dict[str, int]:
    """How many edges lead to each box from a leaf, at most."""
    ranks = {box.id: 0 for box in boxes}
    for tail, head, _ in edges:
        ranks[head] = max(ranks[head], ranks[tail] + 1)
    return ranks


def _check_length(ranks: Mapping[str, int], labels: Mapping[Edge, str | None]) -> None:
    """Raise ValueError for edges that the layout engine would be at for too long."""
    nearest: dict[str, int] = {}
    for tail, head, _ in labels:
        nearest[tail] = min(nearest.get(tail, ranks[head]), ranks[head])
    # A leaf is laid out just before what uses it first.
    total = sum(ranks[head] - (ranks[tail] or nearest[tail] - 1) for tail, head, _ in labels)
    if any(labels.values()):
        total *= 2  # the engine makes a rank for labels between any two
    if total > _LONGEST:
        edges = f"{len(labels)} edges over {max(ranks.values())} ranks"
        raise ValueError(f"draw: {edges}, more than can be laid out and read; {DRAW_LESS}")


def _direction(
    texts: Mapping[Box, Sequence[str]],
    ranks: Mapping[str, int],
    labels: Mapping[Edge, str | None],
    gap: float,
) -> str:
    """From left to right, but from top to bottom if that is less wide than what is too wide."""
    deep: dict[int, float] = {}
    broad: dict[int, float] = {}
    for box, rows in texts.items():
        width = 22 + 6.6 * max(map(len, rows))
        rank = ranks[box.id]
        deep[rank] = max(deep.get(rank, 0.0), width)
        broad[rank] = broad.get(rank, 0.0) + width + 16
    between = 72 * gap + 5.6 * max((len(text or "") for text in labels.values()), default=0)
    width = sum(deep.values()) + between * (len(deep) - 1)
    return "TB" if width > WIDE and max(broad.values()) < width else "LR"
