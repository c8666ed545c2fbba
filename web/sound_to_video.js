/** Sound to Video in the browser: gives the pack's nodes their waveforms. Without it their plain fields do all the work. */
import { api, app, loadWords } from "./host.js";
import { CompareWidget } from "./ui/compare.js";
import { HeadBoxWidget } from "./ui/head_box.js";
import { LoadWidget } from "./ui/load.js";
import { ModelWidget } from "./ui/model.js";
import { menuEntries } from "./ui/node_menu.js";
import { widen } from "./ui/panel.js";
import { PromptTimelineWidget } from "./ui/prompt_timeline.js";
import { RecordWidget } from "./ui/record.js";
import { followRuns } from "./ui/runs.js";
import { SaidWidget } from "./ui/said.js";
import { SpeakersWidget } from "./ui/speakers.js";
import { lookForChanges } from "./ui/sounds.js";
import { describeTemplates } from "./ui/templates.js";
import { TrimWidget } from "./ui/trim.js";
import { VideoFrameWidget } from "./ui/video_frame.js";

const style = document.createElement("link");
style.rel = "stylesheet";
style.href = new URL("./sound_to_video.css", import.meta.url).href;
document.head.append(style);

/** The panel of each node, and how wide a new node is. @type {Record<string, {panel: (node: any) => object, width: number}>} */
const PANELS = {
  SoundToVideo_LoadAudio: { panel: (node) => new LoadWidget(node), width: 320 },
  SoundToVideo_RecordMic: { panel: (node) => new RecordWidget(node), width: 360 },
  SoundToVideo_TrimAudio: { panel: (node) => new TrimWidget(node), width: 520 },
  SoundToVideo_PromptTimeline: { panel: (node) => new PromptTimelineWidget(node), width: 520 },
  SoundToVideo_LipSyncSampler: { panel: (node) => new HeadBoxWidget(node), width: 360 },
  SoundToVideo_Speakers: { panel: (node) => new SpeakersWidget(node), width: 400 },
  SoundToVideo_VideoFrame: { panel: (node) => new VideoFrameWidget(node), width: 360 },
  SoundToVideo_CompareClips: { panel: (node) => new CompareWidget(node), width: 480 },
};

followRuns();
describeTemplates();

// A file may have been made anew under its name: while this page was not looked at, or by a run.
window.addEventListener("focus", lookForChanges);
for (const event of /** @type {const} */ (["execution_start", "execution_success"]))
  api.addEventListener(event, lookForChanges);

app.registerExtension({
  name: "SoundToVideo",
  init: loadWords,
  refreshComboInNodes: lookForChanges,
  getNodeMenuItems: menuEntries,
  nodeCreated(/** @type {any} */ node) {
    if (/^SoundToVideo_.*Sampler$/.test(node.comfyClass)) {
      new ModelWidget(node);
      new SaidWidget(node);
    }
    const kind = PANELS[node.comfyClass];
    if (!kind) return;
    kind.panel(node);
    widen(node, kind.width);
  },
});
