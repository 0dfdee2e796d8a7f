"""The picture of a graph: a box for each node, with its formula, its value and the derivative of the root.

`draw` writes DOT, Graphviz's language; `layout.py` has a layout engine turn it into SVG or PNG. The elements of the SVG
can be found again, by a page that lights them up:

- `g#n3.node` is the box of node 3 of the topological order (the first is 0). Its classes say `leaf`, `constant` or
  `operation`, and `root`. Its `text` elements are the formula, the value (`fill="#005a9c"`) and the derivative
  (`fill="#a63a00"`), in that order; a constant has its number as the first, and no other.
- `g#e3_0.edge` is the edge into node 3 from its first argument; its `text`, if it has one, is the local derivative.
- `g#g0.node.group`, `g#g1`, … are what `group` collapsed, `g#more` what `depth` cut; edges there have no id of ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence

from ..op import constant
from ..value import Value, topological_order
from .naming import short, shown
from .steps import Arg, Forward, adjoints, forward, held, reached

TYPE_CHECKING = False
if TYPE_CHECKING:
    import graphviz

    Group = str | Callable[[Value], Hashable | None] | None

# Told apart by the colour-blind too, and readable on white: contrast 7.1 and 6.5.
VALUE, DERIVATIVE = "#005A9C", "#A63A00"
FULL_LABELS, NUMBER_LABELS, READABLE = 12, 60, 300
"""Up to how many boxes the edges say `∂c/∂a = 1`, up to how many `1`, and how many boxes a picture may have."""

# A white ground, not none: the text is dark, and so may be the page. The engine knows the widths of Helvetica's
# letters, but not those of a list of fonts.
_GRAPH = {"rankdir": "LR", "bgcolor": "white", "pad": "0.1", "nodesep": "0.22"}
_FONT = {"fontname": "Helvetica", "fontcolor": "#1A1A1A"}
_NODE = _FONT | {"shape": "box", "style": "rounded", "fontsize": "13", "margin": "0.14,0.06", "color": "#333333"}
_EDGE = _FONT | {"fontsize": "11", "fontcolor": DERIVATIVE, "color": "#666666", "arrowsize": "0.7"}
_LOOKS: dict[str, dict[str, str]] = {
    "leaf": {"style": "rounded,filled", "fillcolor": "#E3F0FA"},
    "constant": {"style": "rounded,dashed", "margin": "0.08,0.04", "width": "0", "height": "0"},
    "operation": {},
    "group": {"style": "filled", "fillcolor": "#F0F0F0"},
}
_FAINT = "#A6A6A6"
"""For the edges of groups, which are many: a hidden layer has one for each pair of neurons."""
_MORE = object()


def draw(root: Value, *, depth: int | None = None, group: Group = None, engine: str | None = None) -> graphviz.Digraph:
    """The picture of the graph below `root`: shown by a notebook, or written by `.render("e", format="svg")`.

    A box says `c = a + b`, its value and ∂root/∂c, whether or not `backward` was called; an edge has the local
    derivative. Leaves are filled, constants dashed, the root has a double border.

    >>> a = Value(3.0, "a")
    >>> print(draw((a * a).named("b")).source)  # doctest: +ELLIPSIS, +NORMALIZE_WHITESPACE
    digraph computation {
    ...
        n0 [label=<...<B>a</B>...<FONT COLOR="#005A9C">3</FONT>...<FONT COLOR="#A63A00">∂b/∂a = 6</FONT>...]
    ...

    A picture of more than 300 boxes raises ValueError. `depth` draws only the nodes within so many edges of the root.
    `group` draws one box for many nodes: it is a function from a node to what its box is called (None: it has its
    own), or a separator: with "." a label such as `h1.w2` puts its node in the box `h1`. An unlabelled node joins the
    box of its leaves, else that of its arguments if they are all in one. `engine` is the path or the name of a layout
    engine, for when the one that is found is not wanted.
    """
    from .engine import Picture

    if not isinstance(root, Value):
        raise TypeError(f"draw: expected a Value, got {type(root).__name__}")
    order = topological_order(root)
    home = _homes(order, _groups(order, group) | _cut(order, depth))
    boxes = list(dict.fromkeys(home))
    if len(boxes) > READABLE:
        advice = "draw a part with depth=4, or collapse nodes with group='.'"
        raise ValueError(f"draw: {len(boxes)} boxes, more than the {READABLE} that can be read; {advice}")
    steps = forward(order)
    edges = _edges(steps, home, len(boxes))
    ranksep = str(round(min(max(0.45, len(edges) / len(boxes) / 4), 3), 2))  # crowded edges need a wide gap
    attributes = {"graph_attr": _GRAPH | {"ranksep": ranksep}, "node_attr": _NODE, "edge_attr": _EDGE}
    picture = Picture("computation", format="svg", **attributes)
    picture.executable, picture.boxes, picture.home = engine, len(boxes), [box.id for box in home]
    for box, rows in _rows(boxes, steps, home).items():
        picture.node(box.id, _label(*rows), id=box.id, **_look(box, steps))
    for (tail, head, id), label in edges.items():
        picture.edge(tail, head, label, id=id, color=None if id else _FAINT)
    return picture


def _groups(order: Sequence[Value], group: Group) -> dict[Value, Hashable]:
    """What the box of each grouped node is called; one node alone is no group."""
    if group is None:
        return {}
    if not (callable(group) or (isinstance(group, str) and group)):
        raise TypeError(f"draw: expected a separator such as '.' or a function of a node as the group, got {group!r}")
    keys: dict[Value, Hashable] = {}
    for node in order:
        key = group(node) if callable(group) else (node.label or "").rpartition(group)[0] or None
        keys[node] = _inherited(node, keys) if key is None and not node.label else key
        keys |= {arg: keys[node] for arg in node.args if arg.op is constant}
    sizes = Counter(keys.values())
    return {node: key for node, key in keys.items() if key is not None and sizes[key] > 1}


def _inherited(node: Value, keys: Mapping[Value, Hashable]) -> Hashable:
    # A neuron is known by its parameters: its inputs may come from other neurons.
    found = {keys[arg] for arg in node.args if arg.op is None} - {None}
    found = found or {keys[arg] for arg in node.args if arg.op is not constant}
    return found.pop() if len(found) == 1 else None


def _cut(order: Sequence[Value], depth: int | None) -> dict[Value, Hashable]:
    """The nodes that are more than `depth` edges from the root; they share one box."""
    if depth is None:
        return {}
    if isinstance(depth, bool) or not hasattr(depth, "__index__") or depth < 0:
        raise ValueError(f"draw: expected a whole number >= 0 as the depth, got {depth!r}")
    distance = {order[-1]: 0}
    for node in reversed(order):  # a node comes after all its users
        for arg in node.args:
            distance[arg] = min(distance.get(arg, distance[node] + 1), distance[node] + 1)
    return {node: _MORE for node in order if distance[node] > depth}


class _Box:
    """A box with its id, its nodes' places in the order and, if it is that of a group, its title."""

    def __init__(self, id: str, title: str | None) -> None:
        self.id, self.title = id, title
        self.nodes: list[int] = []


def _homes(order: Sequence[Value], keys: Mapping[Value, Hashable]) -> list[_Box]:
    """The box that each node is in."""
    shared: dict[Hashable, _Box] = {_MORE: _Box("more", "…")}
    home = []
    for i, node in enumerate(order):
        if (key := keys.get(node)) is None:
            box = _Box(f"n{i}", None)
        else:
            box = shared.setdefault(key, _Box(f"g{len(shared) - 1}", short(str(key))))
        box.nodes.append(i)
        home.append(box)
    return home


def _rows(boxes: Sequence[_Box], steps: Sequence[Forward], home: Sequence[_Box]) -> dict[_Box, list[str]]:
    """The lines of text in each box. A box of many nodes shows the value and derivative of its output, if it is one."""
    root, derivatives = steps[-1], adjoints(steps)
    outputs = {arg.index for step in steps for arg in step.args if home[arg.index] is not home[step.index]}
    rows = {}
    for box in boxes:
        rows[box] = [_title(box, steps)]
        nodes = [steps[i] for i in box.nodes if i in outputs or i == root.index]
        shows = [step for step in nodes if step.op is not constant]
        if len(shows) == 1 and box.id != "more":
            (step,) = shows
            slope = f"∂{root.name}/∂{step.name} = {shown(derivatives[step.index])}"
            rows[box] += [_row(shown(step.value), VALUE), _row(slope, DERIVATIVE)]
    return rows


def _title(box: _Box, steps: Sequence[Forward]) -> str:
    if box.id == "more":
        return _row(f"… {len(box.nodes)} more")
    if box.title is not None:
        return f"<B>{_row(f'{box.title}: {len(box.nodes)} nodes')}</B>"
    step = steps[box.nodes[0]]
    title = _row(formula(step))
    return title if step.op is constant else f"<B>{title}</B>"


def formula(step: Forward) -> str:
    """How a node was computed, `c = a + b`; of a leaf or a constant its name."""
    if step.op is None or not step.args:
        return step.name
    infix = step.op.precedence < 9  # -3 needs parentheses
    args = [f"({arg.name})" if infix and arg.constant and arg.name.startswith("-") else arg.name for arg in step.args]
    return f"{step.name} = {short(step.op.written(args))}"


def _row(text: str, color: str | None = None) -> str:
    # In an element of its own, a backslash does not begin an escape: Graphviz would show \N as the node's id.
    import html

    escaped = html.escape(text).replace("\\", "<FONT>&#92;</FONT>")
    return f'<FONT COLOR="{color}">{escaped}</FONT>' if color else escaped


def _label(*rows: str) -> str:
    if len(rows) == 1:
        return f"<{rows[0]}>"
    # Rows of a table, not line breaks: between lines of several colours Graphviz leaves too little space.
    cells = "".join(f"<TR><TD>{row}</TD></TR>" for row in rows)
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0">{cells}</TABLE>>'


def _look(box: _Box, steps: Sequence[Forward]) -> dict[str, str]:
    op = steps[box.nodes[0]].op
    single = "leaf" if op is None else "constant" if op is constant else "operation"
    kind = "group" if box.title is not None else single
    is_root = steps[box.nodes[-1]] is steps[-1]
    return _LOOKS[kind] | ({"class": f"{kind} root", "peripheries": "2"} if is_root else {"class": kind})


def _edges(steps: Sequence[Forward], home: Sequence[_Box], boxes: int) -> dict[tuple[str, str, str | None], str | None]:
    """The label of each edge, by its two boxes and its id. `x * x` has two edges; boxes of many nodes share one."""
    edges: dict[tuple[str, str, str | None], str | None] = {}
    flows = reached(steps, {box.nodes[0] for box in home if box.title is None}) if boxes <= FULL_LABELS else {}
    for step in steps:
        for k, arg in enumerate(step.args):
            tail, head, label = home[arg.index], home[step.index], None
            single = tail.title is None and head.title is None
            if single and not arg.constant and boxes <= NUMBER_LABELS:
                name = _local(step, arg, flows) if flows else ""
                label = _label(_row(name + shown(arg.partial or 0.0)))
            if tail is not head:
                edges[tail.id, head.id, f"e{step.index}_{k}" if single else None] = label
    return edges


def _local(step: Forward, arg: Arg, flows: Mapping[int, int]) -> str:
    """`∂c/∂b = `; but `(∂e/∂b)|_c = ` where e uses b directly and also through c, which is held."""
    name, others = f"∂{step.name}/∂{arg.name}", held(step, arg.index, flows)
    return f"({name})|_{','.join(others)} = " if others else f"{name} = "
