/**
 * Whether anything has changed of a graph that panels look at: its nodes, their modes, values and links. No DOM.
 * The front end has no event for that which holds in both renderers; one look at all costs less than one by each panel.
 */
import { linksOf } from "./graph.js";

export class Watch {
  /** @type {unknown[]} */
  #facts = [];
  #count = 0;
  #isNew = false;

  /**
   * Whether something differs from the last time.
   * @param {any} root the outermost graph @param {string[]} properties of nodes that count @param {unknown[]} others what else does
   */
  hasChanged(root, properties, others = []) {
    this.#count = 0;
    this.#isNew = false;
    for (const other of others) this.#see(other);
    for (const graph of root ? [root, ...(root.subgraphs?.values?.() ?? [])] : []) {
      this.#see(graph);
      for (const node of graph.nodes ?? graph._nodes ?? []) this.#seeNode(node, properties);
      for (const link of linksOf(graph)) {
        for (const part of [link.origin_id, link.origin_slot, link.target_id, link.target_slot]) this.#see(part);
      }
    }
    if (this.#facts.length !== this.#count) this.#isNew = true;
    this.#facts.length = this.#count;
    return this.#isNew;
  }

  /** @param {any} node @param {string[]} properties */
  #seeNode(node, properties) {
    this.#see(node);
    this.#see(node.mode);
    for (const name of properties) this.#see(node.properties?.[name]);
    for (const widget of node.widgets ?? []) {
      try {
        this.#see(widget.value);
      } catch {
        this.#see(undefined); // a widget of somebody else's that is not ready
      }
    }
  }

  /** @param {unknown} fact */
  #see(fact) {
    if (!Object.is(this.#facts[this.#count], fact)) {
      this.#facts[this.#count] = fact;
      this.#isNew = true;
    }
    this.#count++;
  }
}
