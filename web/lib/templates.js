/**
 * The pack's workflows in the front end's list of templates, as its own are described there. No DOM.
 * @typedef {{file: string, name: string, title: string, description: string, models: string[], isApp: boolean}} Template
 * as the server tells it
 */

/** Where the server gives out the files by their titles: /workflow_templates/sound_to_video/… */
const MODULE = "sound_to_video";
const NAME = "Sound to Video";

/**
 * What the host lists of packs, by folder, without what is described.
 * @param {Record<string, string[]>} listed @param {string} folder of this pack @param {Template[]} described
 */
export function withoutDescribed(listed, folder, described) {
  const files = new Set(described.map(({ file }) => file));
  const left = (listed[folder] ?? []).filter((file) => !files.has(file));
  const others = Object.entries(listed).filter(([name]) => name !== folder);
  return Object.fromEntries(left.length ? [...others, [folder, left]] : others);
}

/** A category of the front end's own list. @param {Template[]} described */
export function categoryOf(described) {
  return {
    moduleName: MODULE,
    title: NAME,
    type: "video",
    templates: described.map(({ name, title, description, models, isApp }) => ({
      name,
      title,
      description,
      models,
      isApp,
      mediaType: "image",
      mediaSubtype: "jpg",
      tags: [NAME], // what people search for
      openSource: true,
    })),
  };
}
