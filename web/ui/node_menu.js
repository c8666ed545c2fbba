/** What our panels add to the menu of their node. */

/** @typedef {{content: string, callback: () => void, disabled?: boolean}} Entry */

/** @type {WeakMap<any, () => Entry[]>} */
const offered = new WeakMap();

/** Offer entries in a node's menu, which are asked for each time it opens. @param {any} node @param {() => Entry[]} entries */
export function offerInMenu(node, entries) {
  offered.set(node, entries);
}

/** The entries of a node's menu that are ours. @param {any} node @returns {(Entry | null)[]} null for a line above them */
export function menuEntries(node) {
  const entries = offered.get(node)?.() ?? [];
  return entries.length ? [null, ...entries] : [];
}
