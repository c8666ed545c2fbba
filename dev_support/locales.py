"""The pack in other languages: what there is to say, its translations, and the files that ComfyUI reads of them.

English stands in the code. ``translations/<language>.json`` maps each English text to its translation, once, wherever
it is shown. ``python dev.py locales`` makes ``locales/<language>/nodeDefs.json`` and ``main.json`` of these, as ComfyUI
reads them from a pack (https://docs.comfy.org/custom-nodes/i18n).
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TRANSLATIONS = Path(__file__).parent / "translations"
LOCALES = ROOT / "locales"
# What ComfyUI offers beside English.
LANGUAGES = ("ar", "de", "es", "fa", "fr", "he", "it", "ja", "ko", "pt-BR", "ru", "tr", "zh", "zh-TW")
TITLE = "Sound to Video"
TEMPLATE_FOLDERS = ("comfyui-sound-to-video", "sound_to_video")  # the pack's folder names the category of its templates

# Texts in the browser's code, in double quotes: what begins with a capital or holds `{values}`, and is no code.
LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
TEXT = re.compile(r"^(?:[A-Z][a-z]|\{\w+\}[ :]|1 [a-z]|from \{|after \{|at once|side by side)")
NO_TEXT = re.compile(
    r"^(?:SoundToVideo|Sound-|ModelSampling|Insert$"
    r"|Sound to Video:|Arrow|Escape$|Enter$|Home$|Page|Delete$|Backspace$|Tab$|Shift|Control"
    r"|Space$|Files$|Reroute$|Overconstrained|Not[A-Z]|Abort|Content-|Comfy\.|Load[A-Z]|Save[A-Z]|Audio[A-Z]|Primitive|Record[A-Z]"
    r"|Trim[A-Z]|M\d)"
)


def node_texts(schemas: Iterable[Any]) -> dict[str, dict[str, Any]]:
    """What the nodes say in English, in the shape of ComfyUI's ``nodeDefs.json``."""
    return {schema.node_id: _node_texts(schema) for schema in schemas}


def _node_texts(schema: Any) -> dict[str, Any]:
    def said(port: Any, name: str) -> dict[str, str]:
        texts = {"name": name, "tooltip": port.tooltip}
        return {key: text for key, text in texts.items() if text}

    texts: dict[str, Any] = {"display_name": schema.display_name, "description": schema.description}
    texts["inputs"] = {port.id: said(port, port.display_name or port.id) for port in schema.inputs}
    texts["outputs"] = {
        str(index): said(port, UNNAMED.sub("", port.display_name or port.id or ""))
        for index, port in enumerate(schema.outputs)
    }
    return texts


def panel_texts() -> list[str]:
    """What the panels say in English, in the order of the browser's code."""
    texts: list[str] = []
    for path in sorted([*ROOT.glob("web/ui/*.js"), *ROOT.glob("web/lib/*.js"), *ROOT.glob("web/*.js")]):
        code = re.sub(r"/\*.*?\*/|(?<![:\w])//[^\n]*", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        code = re.sub(r'"\s*\+\s*"', "", code)  # a long text in two lines
        found = (json.loads(f'"{text}"') for text in LITERAL.findall(code))
        texts.extend(text for text in found if TEXT.match(text) and not NO_TEXT.match(text))
    return list(dict.fromkeys(texts))


def _family_names() -> list[str]:
    """Those in the registry of families, also of a family that this ComfyUI is too old for."""
    module = ast.parse((ROOT / "core" / "families" / "__init__.py").read_text(encoding="utf-8"))
    assigned = {node.targets[0].id: node.value for node in module.body if isinstance(node, ast.Assign)}  # type: ignore
    return [name for _, _, name, _ in ast.literal_eval(assigned["_REGISTRY"])]


# Which families an option is for, and the numbers of each, change with every new family; the sentence does not.
FAMILY = f"(?:{'|'.join(map(re.escape, _family_names()))})"
PREFIX = re.compile(rf"^({FAMILY}(?:, {FAMILY})*): (?=[A-Z])")
SPEAKER = re.compile(r"(?<=speaker )\d")
NUMBERED = re.compile(r"^([a-z_]+)_(\d)$")  # a name such as audio_2
UNNAMED = re.compile(r"^_\d+_[A-Z_]+_$")  # an output without a name of its own
NUMBERS = re.compile(rf"\({FAMILY} [\d.]+(?:, {FAMILY} [\d.]+)*\)")


def sentence_of(text: str) -> str:
    """A text without what belongs to the families and without its number: what is translated of it."""
    text = NUMBERED.sub(r"\1", SPEAKER.sub("{number}", text))
    return NUMBERS.sub("({models})", PREFIX.sub("", text))


def translation_of(text: str, known: Mapping[str, str]) -> str | None:
    sentence = known.get(sentence_of(text))
    if sentence is None:
        return None
    prefix, models, speaker, numbered = (
        PREFIX.match(text),
        NUMBERS.search(text),
        SPEAKER.search(text),
        NUMBERED.match(text),
    )
    sentence = sentence.replace("({models})", models.group() if models else "")
    sentence = sentence.replace("{number}", speaker.group() if speaker else "{number}")
    return (prefix.group() if prefix else "") + sentence + (f" {numbered[2]}" if numbered else "")


def setting_texts() -> list[str]:
    """Names and sentences of the families' settings, also of those that this ComfyUI is too old for."""
    texts: list[str] = []
    for path in sorted(ROOT.glob("core/families/*/settings.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Setting":
                given = (value.value for value in node.args[:2] if isinstance(value, ast.Constant))
                texts.extend(text for text in given if isinstance(text, str))
    return list(dict.fromkeys(texts))


def page_texts() -> list[str]:
    """What the page says in English: of the browser's code, and of the server."""
    return list(dict.fromkeys([*panel_texts(), *setting_texts()]))


def all_texts(nodes: Mapping[str, Any]) -> list[str]:
    """Every English text that is to be translated, each once."""
    return list(dict.fromkeys([TITLE, *map(sentence_of, _leaves(nodes)), *page_texts()]))


def _leaves(tree: Mapping[str, Any]) -> Iterable[str]:
    for value in tree.values():
        yield from _leaves(value) if isinstance(value, Mapping) else [value] if value else []


def translations(language: str) -> dict[str, str]:
    return json.loads((TRANSLATIONS / f"{language}.json").read_text(encoding="utf-8"))


def files_of(language: str, nodes: Mapping[str, Any]) -> dict[str, Any]:
    """``{file name: its content}`` for ComfyUI; what has no translation is left out, and so stays English."""
    known = translations(language)

    def translated(tree: Mapping[str, Any]) -> dict[str, Any]:
        found = {
            key: translated(value) if isinstance(value, Mapping) else translation_of(value or "", known)
            for key, value in tree.items()
        }
        return {key: value for key, value in found.items() if value}

    title = known.get(TITLE, TITLE)
    panels = {text: known[text] for text in page_texts() if text in known}
    main = {"templateWorkflows": {"category": dict.fromkeys(TEMPLATE_FOLDERS, title)}}
    return {"nodeDefs.json": translated(nodes), "main.json": {**main, "soundToVideo": panels}}


def as_json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"\{\w+\}", text))


def write(nodes: Mapping[str, Any]) -> None:
    """Write ``locales/`` of the translations that there are."""
    for language in LANGUAGES:
        (LOCALES / language).mkdir(parents=True, exist_ok=True)
        for name, content in files_of(language, nodes).items():
            (LOCALES / language / name).write_text(as_json(content), encoding="utf-8")
