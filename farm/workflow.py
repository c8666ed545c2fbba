"""A workflow as the browser saves it, turned into the prompt that the server runs (standard library only).

Follows the front end's ``graphToPrompt`` (Comfy-Org/ComfyUI_frontend, src/utils/executionUtil.ts and LiteGraph's saved
format): widget values by position, links by slot, virtual nodes followed through, subgraphs unfolded into ids
such as ``12:3``, muted nodes dropped and bypassed nodes connected through.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Prompt = dict[str, dict[str, Any]]
DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"
WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", DYNAMIC_COMBO}
NOTES = {"Note", "MarkdownNote"}
ALWAYS, NEVER, BYPASS = 0, 2, 4
SUBGRAPH_INPUTS, SUBGRAPH_OUTPUTS = -10, -20


class WorkflowError(ValueError):
    """The workflow can't be turned into a prompt: a node is unknown, or a needed link leads nowhere."""


@dataclass(frozen=True)
class Value:
    """A literal that a link brings, from a PrimitiveNode."""

    value: Any


@dataclass
class _Graph:
    """Nodes and links of the workflow, or of one use of a subgraph: ``outer`` is then the node that uses it."""

    prefix: str
    nodes: dict[int, dict]
    links: dict[int, tuple[int, int, int, int]]  # id -> origin node, origin slot, target node, target slot
    outer: tuple["_Graph", dict] | None = None

    @classmethod
    def of(cls, data: dict, prefix: str = "", outer: tuple["_Graph", dict] | None = None) -> "_Graph":
        links = {}
        for link in data.get("links") or []:
            if isinstance(link, dict):
                ends = (link["origin_id"], link["origin_slot"], link["target_id"], link["target_slot"])
                links[link["id"]] = ends
            else:
                links[link[0]] = tuple(link[1:5])
        return cls(prefix, {node["id"]: node for node in data["nodes"]}, links, outer)


class _Converter:
    def __init__(self, workflow: dict, object_info: dict[str, dict]):
        self.object_info = object_info
        subgraphs = (workflow.get("definitions") or {}).get("subgraphs") or []
        self.subgraphs = {subgraph["id"]: subgraph for subgraph in subgraphs}
        self.insides: dict[tuple[str, int], _Graph] = {}
        self.prompt: Prompt = {}
        self.visit(_Graph.of(workflow))

    def inside(self, graph: _Graph, node: dict) -> _Graph:
        """The graph within ``node``, a use of a subgraph in ``graph``."""
        key = (graph.prefix, node["id"])
        if key not in self.insides:
            prefix = f"{graph.prefix}{node['id']}:"
            self.insides[key] = _Graph.of(self.subgraphs[node["type"]], prefix, (graph, node))
        return self.insides[key]

    def visit(self, graph: _Graph) -> None:
        for node in graph.nodes.values():
            if node.get("mode", ALWAYS) in (NEVER, BYPASS) or node["type"] in NOTES | {"Reroute", "PrimitiveNode"}:
                continue
            if node["type"] in self.subgraphs:
                self.visit(self.inside(graph, node))
                continue
            if node["type"] not in self.object_info:
                raise WorkflowError(
                    f"node {graph.prefix}{node['id']} is a {node['type']}, which the server doesn't have"
                )
            self.prompt[f"{graph.prefix}{node['id']}"] = {
                "inputs": self.inputs(graph, node),
                "class_type": node["type"],
                "_meta": {"title": node.get("title") or self.object_info[node["type"]]["display_name"]},
            }

    def inputs(self, graph: _Graph, node: dict) -> dict[str, Any]:
        values = widget_values(node, self.object_info[node["type"]])
        for slot in node.get("inputs") or []:
            if slot.get("link") is None:
                continue
            source = self.source(graph, slot["link"])
            if isinstance(source, Value):
                values[slot["name"]] = source.value
            elif source is not None:
                values[slot["name"]] = source
        return values

    def source(self, graph: _Graph, link_id: int | None) -> list | Value | None:
        """What a link brings: [node id, slot], a literal, or None where it comes from nothing that runs."""
        if link_id is None or link_id not in graph.links:
            return None
        origin, slot, _, _ = graph.links[link_id]
        if origin == SUBGRAPH_INPUTS:
            return self.from_outside(graph, slot)
        node = graph.nodes[origin]
        if node.get("mode", ALWAYS) == NEVER:
            return None
        if node.get("mode", ALWAYS) == BYPASS:
            return self.source(graph, _passed_through(node, slot))
        if node["type"] == "Reroute":
            return self.source(graph, node["inputs"][0].get("link"))
        if node["type"] == "PrimitiveNode":
            return Value(node["widgets_values"][0])
        if node["type"] in self.subgraphs:
            inside = self.inside(graph, node)
            ends = [number for number, link in inside.links.items() if link[2:] == (SUBGRAPH_OUTPUTS, slot)]
            return self.source(inside, ends[0]) if ends else None
        return [f"{graph.prefix}{node['id']}", slot]

    def from_outside(self, graph: _Graph, slot: int) -> list | Value | None:
        """What the node that uses a subgraph hands to its input ``slot``: a link's source or its widget's value."""
        assert graph.outer is not None
        outer_graph, node = graph.outer
        defined = self.subgraphs[node["type"]]["inputs"]
        name = defined[slot]["name"]
        link = next((entry.get("link") for entry in node.get("inputs") or [] if entry["name"] == name), None)
        if link is not None:
            return self.source(outer_graph, link)
        widgets = [entry["name"] for entry in defined if entry["type"] in WIDGET_TYPES]
        saved = dict(zip(widgets, node.get("widgets_values") or [], strict=False))
        return Value(saved[name]) if name in saved else None


def _passed_through(node: dict, slot: int) -> int | None:
    """The link that a bypassed node puts in place of its output ``slot``: its slot's, else the first of its type."""
    inputs = node.get("inputs") or []
    wanted = node["outputs"][slot]["type"]
    candidates = [*inputs[slot : slot + 1], *inputs]
    return next((entry.get("link") for entry in candidates if entry["type"] == wanted), None)


def widget_values(node: dict, info: dict) -> dict[str, Any]:
    """{name: value} of a saved node's widgets; what it does not save gets its default, as in the browser."""
    saved = node.get("widgets_values") or []
    values: dict[str, Any] = {}
    if isinstance(saved, dict):
        _take(info["input"], info.get("input_order"), iter(()), "", values)
        values.update({name: saved[name] for name in values if name in saved})
    else:
        _take(info["input"], info.get("input_order"), iter(saved), "", values)
    return values


def _take(inputs: dict, order: dict | None, saved: Iterator, prefix: str, values: dict[str, Any]) -> None:
    """Give each widget of ``inputs`` the next value of ``saved`` (its default when they have run out)."""
    for group in ("required", "optional"):
        definitions = inputs.get(group) or {}
        for name in (order or {}).get(group) or definitions:
            kind, options = (*definitions[name], {})[:2]
            if not _is_widget(kind, options):
                continue
            value = next(saved, _default(kind, options))
            if value is not None:
                values[prefix + name] = value
            if kind == "INT" and (options.get("control_after_generate") or prefix + name in ("seed", "noise_seed")):
                next(saved, None)  # what the browser does with the seed after a run
            if kind == DYNAMIC_COMBO:
                chosen = [option["inputs"] for option in options["options"] if option["key"] == value]
                _take(chosen[0] if chosen else {}, None, saved, f"{prefix}{name}.", values)


def _is_widget(kind: Any, options: dict) -> bool:
    if options.get("forceInput") or options.get("rawLink"):
        return False
    return isinstance(kind, list) or kind in WIDGET_TYPES or options.get("widgetType") in WIDGET_TYPES


def _default(kind: Any, options: dict) -> Any:
    if "default" in options:
        return options["default"]
    choices = kind if isinstance(kind, list) else options.get("options")
    if kind == DYNAMIC_COMBO and choices:
        return choices[0]["key"]
    return choices[0] if choices else None


def to_prompt(workflow: dict, object_info: dict[str, dict]) -> Prompt:
    """Return the API-format prompt of a UI-format ``workflow``; ``object_info`` is the server's /object_info.

    Raises:
        WorkflowError: a node type is unknown to the server.
    """
    return _Converter(workflow, object_info).prompt
