"""Every text that a person sees has its translation in every language that ComfyUI offers, and no other has.

`python dev.py locales` writes `locales/` anew; what a language lacks is told here, text by text.
"""

import json

import pytest
from sound_to_video.dev_support import locales


@pytest.fixture(scope="module", autouse=True)
def nodes(request):
    from sound_to_video.nodes import NODES

    texts = locales.node_texts(node.GET_SCHEMA() for node in NODES)
    if request.config.getoption("--write-locales"):
        locales.write(texts)
    return texts


def test_the_panels_texts_are_found():
    found = locales.panel_texts()
    assert {"Drop a sound or a video here, paste it, or choose a file.", "from {start} to {end}", "End"} <= set(found)
    assert [text for text in found if "stv-" in text or "SoundToVideo" in text] == []


@pytest.mark.parametrize("language", locales.LANGUAGES)
def test_each_text_has_a_translation_and_each_translation_a_text(nodes, language):
    known, texts = locales.translations(language), locales.all_texts(nodes)
    assert [text for text in texts if not known.get(text)] == [], "to be translated"
    assert [text for text in known if text not in texts] == [], "nobody says this"


@pytest.mark.parametrize("language", locales.LANGUAGES)
def test_values_stand_in_each_translation(language):
    wrong = {
        text: translation
        for text, translation in locales.translations(language).items()
        if locales.placeholders(text) != locales.placeholders(translation)
    }
    assert wrong == {}


@pytest.mark.parametrize("language", locales.LANGUAGES)
def test_what_comfyui_reads_is_up_to_date(nodes, language):
    for name, content in locales.files_of(language, nodes).items():
        written = json.loads((locales.LOCALES / language / name).read_text("utf-8"))
        assert written == json.loads(locales.as_json(content)), "run `python dev.py locales`"


def test_a_sentence_leaves_out_what_belongs_to_the_families():
    known = {"Listen to it.": "Hör es an.", "Frames per second ({models}).": "Bilder pro Sekunde ({models})."}
    assert locales.translation_of("LTX-2, HuMo: Listen to it.", known) == "LTX-2, HuMo: Hör es an."
    said = locales.translation_of("Frames per second (Wan2.2-S2V 16, LTX-2 24).", known)
    assert said == "Bilder pro Sekunde (Wan2.2-S2V 16, LTX-2 24)."
    assert locales.translation_of("Something else.", known) is None


def test_numbers_of_names_and_speakers_stay():
    known = {"mask": "Maske", "Of speaker {number}'s box.": "Vom Kasten der Person {number}."}
    assert locales.translation_of("mask_3", known) == "Maske 3"
    assert locales.translation_of("Of speaker 2's box.", known) == "Vom Kasten der Person 2."
