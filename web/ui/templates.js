/** The pack's workflows under Templates: with titles, descriptions and tags, quick starts first, marked as apps. */
import { api, packJSON } from "../host.js";
import { categoryOf, withoutDescribed } from "../lib/templates.js";

/** @typedef {import("../lib/templates.js").Template} Template */

/** The folder of this pack, by which the host lists its workflows: /extensions/<folder>/ui/templates.js. */
const FOLDER = decodeURIComponent(new URL("..", import.meta.url).pathname.split("/").at(-2) ?? "");

/** Describe the pack's workflows to the front end. Where that fails they are listed by their file names, as any pack's. */
export function describeTemplates() {
  const host = /** @type {any} */ (api);
  const { getWorkflowTemplates, getCoreWorkflowTemplates } = host;
  if (!getWorkflowTemplates || !getCoreWorkflowTemplates) return;
  /** @type {Promise<Template[]> | null} */
  let asked = null;
  const described = () => (asked ??= packJSON("templates").catch(() => []));
  host.getWorkflowTemplates = async function () {
    asked = null;
    const [listed, ours] = await Promise.all([getWorkflowTemplates.apply(this, arguments), described()]);
    return withoutDescribed(listed, FOLDER, ours);
  };
  host.getCoreWorkflowTemplates = async function () {
    const [core, ours] = await Promise.all([getCoreWorkflowTemplates.apply(this, arguments), described()]);
    return ours.length ? [...core, categoryOf(ours)] : core;
  };
}
