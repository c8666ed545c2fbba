/**
 * Which node a value comes from and where it goes to: through reroutes, bypassed nodes and subgraphs. No DOM.
 * Works on the graph of the front end (LiteGraph) by what its nodes and links have in common.
 */

/** @typedef {any} GraphNode */
/** @typedef {{node: GraphNode, slot: number}} Port */

const SUBGRAPH_INPUT = -10;
const SUBGRAPH_OUTPUT = -20;
const BYPASSED = 4;
const MUTED = 2;
const FARTHEST = 200;

/** Links of a graph; their ends are numbers in older front ends and strings in newer ones. @param {any} graph @returns {Iterable<any>} */
export function linksOf(graph) {
  const links = graph?.links;
  if (!links) return [];
  return typeof links.values === "function" ? links.values() : Object.values(links);
}

/** @param {any} one @param {any} other */
function isSame(one, other) {
  return String(one) === String(other);
}

/** The link into an input; ports of nodes are not asked, as their `link` goes away. @param {any} graph @param {any} id @param {number} slot */
function linkInto(graph, id, slot) {
  for (const link of linksOf(graph)) if (isSame(link.target_id, id) && Number(link.target_slot) === slot) return link;
  return null;
}

/** The links out of an output. @param {any} graph @param {any} id @param {number} slot */
function linksFrom(graph, id, slot) {
  return [...linksOf(graph)].filter((link) => isSame(link.origin_id, id) && Number(link.origin_slot) === slot);
}

/** The slot of the input of that name, -1 for none. @param {GraphNode} node @param {string} name */
export function slotOf(node, name) {
  return (node.inputs ?? []).findIndex((/** @type {any} */ input) => input.name === name);
}

/** Whether something is connected to the input of that name. @param {GraphNode} node @param {string} name */
export function isConnected(node, name) {
  const slot = slotOf(node, name);
  return slot >= 0 && linkInto(node.graph, node.id, slot) !== null;
}

/** The node of a subgraph instance that shows `graph`, looked for in all graphs from the outermost on. @param {any} graph */
function instanceOf(graph) {
  const root = graph?.rootGraph ?? graph;
  if (!root || root === graph) return null;
  const graphs = [root, ...(root.subgraphs?.values?.() ?? [])];
  for (const outer of graphs) {
    for (const node of outer.nodes ?? outer._nodes ?? []) if (node.subgraph === graph) return node;
  }
  return null;
}

/** The node with that id of a run: "10", or in a subgraph "4:10". @param {any} root @param {string} id @returns {GraphNode | null} */
export function nodeAt(root, id) {
  let graph = root;
  let node = null;
  for (const part of id.split(":")) {
    node = graph?.getNodeById?.(part) ?? graph?.getNodeById?.(Number(part)) ?? null;
    graph = node?.subgraph;
  }
  return node;
}

/**
 * The output that feeds an input, or null.
 * @param {GraphNode} node @param {number} slot @returns {Port | null}
 */
export function originOf(node, slot) {
  for (let step = 0; step < FARTHEST && node; step++) {
    const link = linkInto(node.graph, node.id, slot);
    if (!link) return null;
    let port = innermost(node.graph, link);
    if (!port) return null;
    const type = port.node.outputs?.[port.slot]?.type;
    if (port.node.mode === MUTED) return null;
    const passing = passThrough(port.node, type);
    if (passing === null) return port;
    node = port.node;
    slot = passing;
    if (slot < 0) return null;
  }
  return null;
}

/**
 * The nodes that stand before an input of that name, the nearest first, whether they run or not: each before the first
 * input of the same type of the one behind it.
 * @param {GraphNode} node @param {string} name @returns {GraphNode[]}
 */
export function nodesBefore(node, name) {
  const found = [];
  let slot = slotOf(node, name);
  const type = node.inputs?.[slot]?.type;
  while (slot >= 0 && found.length < FARTHEST) {
    const link = linkInto(node.graph, node.id, slot);
    const port = link && innermost(node.graph, link);
    if (!port) break;
    ({ node } = port);
    found.push(node);
    const isSameType = (/** @type {any} */ input) => input.type === type || node.type === "Reroute";
    slot = (node.inputs ?? []).findIndex(isSameType);
  }
  return found;
}

/**
 * The value that a link brings to a field: that of a primitive node, or of a subgraph's own field.
 * @param {GraphNode} node @param {number} slot @returns {any} undefined where only a run tells
 */
export function valueInto(node, slot) {
  let { graph } = node;
  let link = linkInto(graph, node.id, slot);
  while (link && isSame(link.origin_id, SUBGRAPH_INPUT)) {
    const outer = instanceOf(graph);
    const input = outer?.inputs?.[link.origin_slot];
    if (!input) return undefined;
    graph = outer.graph;
    link = linkInto(graph, outer.id, Number(link.origin_slot));
    if (!link) return outer.widgets?.find((/** @type {any} */ widget) => widget.name === input.name)?.value;
    node = outer;
    slot = outer.inputs.indexOf(input);
  }
  const origin = originOf(node, slot)?.node;
  const widget = /^Primitive/.test(origin?.type ?? "") ? origin.widgets?.[0] : null;
  if (!widget) return undefined;
  return isConnected(origin, widget.name) ? undefined : widget.value;
}

/** The real node at the origin of a link: out of subgraphs and into them. @param {any} graph @param {any} link @returns {Port | null} */
function innermost(graph, link) {
  for (let step = 0; step < FARTHEST; step++) {
    if (isSame(link.origin_id, SUBGRAPH_INPUT)) {
      const outer = instanceOf(graph);
      if (!outer) return null;
      graph = outer.graph;
      link = linkInto(graph, outer.id, Number(link.origin_slot));
      if (!link) return null;
      continue;
    }
    const node = graph.getNodeById?.(link.origin_id);
    if (!node) return null;
    if (!node.subgraph) return { node, slot: link.origin_slot };
    graph = node.subgraph;
    link = linkInto(graph, SUBGRAPH_OUTPUT, Number(link.origin_slot));
    if (!link) return null;
  }
  return null;
}

/** The input through which a reroute or bypassed node hands a value on; null for a node that makes it, -1 for none. @param {GraphNode} node @param {string} type */
function passThrough(node, type) {
  if (node.type === "Reroute") return 0;
  if (node.mode !== BYPASSED) return null;
  return (node.inputs ?? []).findIndex((/** @type {any} */ input) => input.type === type);
}

/**
 * All inputs that an output feeds, in no order.
 * @param {GraphNode} node @param {number} slot @returns {Port[]}
 */
export function targetsOf(node, slot) {
  /** @type {Port[]} */
  const found = [];
  /** @type {[any, any][]} links to follow, with their graphs */
  const links = [];
  const follow = (/** @type {any} */ graph, /** @type {any} */ id, /** @type {number} */ output) => {
    for (const link of linksFrom(graph, id, output)) links.push([graph, link]);
  };
  follow(node.graph, node.id, slot);
  for (let step = 0; step < FARTHEST && links.length; step++) {
    const [graph, link] = /** @type {[any, any]} */ (links.pop());
    if (isSame(link.target_id, SUBGRAPH_OUTPUT)) {
      const outer = instanceOf(graph);
      if (outer) follow(outer.graph, outer.id, Number(link.target_slot));
      continue;
    }
    const target = graph.getNodeById?.(link.target_id);
    if (!target || target.mode === MUTED) continue;
    if (target.subgraph) {
      follow(target.subgraph, SUBGRAPH_INPUT, Number(link.target_slot));
      continue;
    }
    const type = target.inputs?.[link.target_slot]?.type;
    const outputs = target.type === "Reroute" ? [0] : target.mode === BYPASSED ? sameType(target.outputs, type) : null;
    if (outputs === null) {
      found.push({ node: target, slot: link.target_slot });
      continue;
    }
    for (const output of outputs) follow(graph, target.id, output);
  }
  return found;
}

/** @param {any[] | undefined} ports @param {string} type @returns {number[]} the first of this type */
function sameType(ports, type) {
  const index = (ports ?? []).findIndex((port) => port.type === type);
  return index < 0 ? [] : [index];
}
