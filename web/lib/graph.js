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

/** @param {any} graph @param {any} id @returns {any} */
function linkOf(graph, id) {
  if (id === null || id === undefined) return null;
  return graph?.getLink?.(id) ?? graph?.links?.get?.(id) ?? graph?.links?.[id] ?? null;
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

/**
 * The output that feeds an input, or null.
 * @param {GraphNode} node @param {number} slot @returns {Port | null}
 */
export function originOf(node, slot) {
  for (let step = 0; step < FARTHEST && node; step++) {
    const link = linkOf(node.graph, node.inputs?.[slot]?.link);
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

/** The real node at the origin of a link: out of subgraphs and into them. @param {any} graph @param {any} link @returns {Port | null} */
function innermost(graph, link) {
  for (let step = 0; step < FARTHEST; step++) {
    if (link.origin_id === SUBGRAPH_INPUT) {
      const outer = instanceOf(graph);
      if (!outer) return null;
      const id = outer.inputs?.[link.origin_slot]?.link;
      graph = outer.graph;
      link = linkOf(graph, id);
      if (!link) return null;
      continue;
    }
    const node = graph.getNodeById?.(link.origin_id);
    if (!node) return null;
    if (!node.subgraph) return { node, slot: link.origin_slot };
    graph = node.subgraph;
    link = linkOf(graph, graph.outputs?.[link.origin_slot]?.linkIds?.[0]);
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
  const links = (node.outputs?.[slot]?.links ?? []).map((/** @type {any} */ id) => [
    node.graph,
    linkOf(node.graph, id),
  ]);
  for (let step = 0; step < FARTHEST && links.length; step++) {
    const [graph, link] = /** @type {[any, any]} */ (links.pop());
    if (!link) continue;
    if (link.target_id === SUBGRAPH_OUTPUT) {
      const outer = instanceOf(graph);
      for (const id of outer?.outputs?.[link.target_slot]?.links ?? [])
        links.push([outer.graph, linkOf(outer.graph, id)]);
      continue;
    }
    const target = graph.getNodeById?.(link.target_id);
    if (!target || target.mode === MUTED) continue;
    if (target.subgraph) {
      for (const id of target.subgraph.inputs?.[link.target_slot]?.linkIds ?? [])
        links.push([target.subgraph, linkOf(target.subgraph, id)]);
      continue;
    }
    const type = target.inputs?.[link.target_slot]?.type;
    const outputs = target.type === "Reroute" ? [0] : target.mode === BYPASSED ? sameType(target.outputs, type) : null;
    if (outputs === null) {
      found.push({ node: target, slot: link.target_slot });
      continue;
    }
    for (const output of outputs) {
      for (const id of target.outputs?.[output]?.links ?? []) links.push([graph, linkOf(graph, id)]);
    }
  }
  return found;
}

/** @param {any[] | undefined} ports @param {string} type @returns {number[]} the first of this type */
function sameType(ports, type) {
  const index = (ports ?? []).findIndex((port) => port.type === type);
  return index < 0 ? [] : [index];
}
