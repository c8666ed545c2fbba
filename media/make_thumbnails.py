"""Draw the pictures that stand for the workflows in ComfyUI's template browser: ``python media/make_thumbnails.py``.

Those of the quick starts are frames of their clips, as the small model made them; the others are drawn. With names of
workflows behind it, these only.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import av
import make_portrait
import numpy as np
from painting import Colour, Painting
from PIL import Image, ImageDraw, ImageOps

MEDIA = Path(__file__).parent
WORKFLOWS = MEDIA.parent / "workflows"
SIZE = 512
BARS = 56
MIDDLE_OF_BARS = 424  # the template browser writes its tags below, on the right
STAGE = MEDIA / "sound_to_video_stage.png"
SPEAKER = MEDIA / "sound_to_video_speaker.mp4"
TWO_PEOPLE = MEDIA / "sound_to_video_two_people.png"
RESULTS = MEDIA / "results"
VOICE, MUSIC = MEDIA / "sound_to_video_voice.wav", MEDIA / "sound_to_video_music.flac"
LIGHT = range(140, 232)  # the hues of the stage's light, not of the singer
SILENT, LOUD = 0, 76  # frames of the speaker

Colours = tuple[Colour, Colour]


def loudness(path: Path) -> np.ndarray:
    """How loud the file is in each of `BARS` equal stretches: [BARS] of 0 .. 1."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono")
        parts = [out.to_ndarray()[0] for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    stretches = np.array_split(np.concatenate(parts), BARS)
    levels = np.array([np.sqrt((stretch**2).mean()) for stretch in stretches])
    return levels / levels.max()


# -- pictures, SIZE x SIZE ---------------------------------------------------------------------------------------------


def fitted(image: Image.Image, centre: tuple[float, float] = (0.5, 0.5)) -> Image.Image:
    return ImageOps.fit(image.convert("RGB"), (SIZE, SIZE), Image.Resampling.LANCZOS, centering=centre)


def of_file(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return fitted(image)


def stage(zoom: float = 1.0, tilt: float = 0.0, hue: int = 0, turned: bool = False) -> Image.Image:
    """The singer: nearer, leaning, in light of another hue, in steps of 1/256 of the circle."""
    with Image.open(STAGE) as image:
        art = image.convert("RGB")
    art = art.rotate(tilt, Image.Resampling.BICUBIC, center=(416, 300))
    side = 470 / zoom
    art = art.crop((int(416 - side / 2), int(235 - side * 0.46), int(416 + side / 2), int(235 + side * 0.54)))
    art = ImageOps.mirror(art) if turned else art
    hues, saturations, values = fitted(art).convert("HSV").split()
    hues = hues.point(lambda value: (value + hue) % 256 if value in LIGHT else value)
    return Image.merge("HSV", (hues, saturations, values)).convert("RGB")


def portrait(opened: float) -> Image.Image:
    return fitted(make_portrait.draw(opened).finished())


def two_people() -> Image.Image:
    """Both of them, side by side."""
    with Image.open(TWO_PEOPLE) as image:
        each = image.width // 2
        return strips(*(fitted(image.crop((left, 0, left + each, image.height))) for left in (0, each)))


def speaker(frame: int) -> Image.Image:
    with av.open(str(SPEAKER)) as container:
        frames = list(container.decode(video=0))
    return fitted(frames[frame].to_image())


def strips(*pictures: Image.Image) -> Image.Image:
    """Beside each other, as much of each as there is room for."""
    art = Image.new("RGB", (SIZE, SIZE), (12, 10, 20))
    step = SIZE / len(pictures)
    for index, picture in enumerate(pictures):
        left, right = round(index * step) + (2 if index else 0), round((index + 1) * step)
        from_left = (SIZE - (right - left)) // 2
        art.paste(picture.crop((from_left, 0, from_left + right - left, SIZE)), (left, 0))
    return art


def halves(before: Image.Image, after: Image.Image) -> Image.Image:
    """Before and after, a line between them."""
    art = before.copy()
    art.paste(after.crop((SIZE // 2, 0, SIZE, SIZE)), (SIZE // 2, 0))
    ImageDraw.Draw(art).rectangle((SIZE // 2 - 2, 0, SIZE // 2 + 2, SIZE), fill=(255, 255, 255))
    return art


def moving(*pictures: Image.Image) -> Image.Image:
    """One over the other, the last the clearest."""
    art = pictures[0]
    for picture in pictures[1:]:
        art = Image.blend(art, picture, 0.82)
    return art


def in_the_snow() -> Image.Image:
    """The woman of the portrait in a red coat in a street at dusk, and the portrait itself."""
    art = fitted(make_portrait.draw(0.7, snow, coat=((176, 34, 44), (96, 14, 30))).finished())
    small = ImageOps.expand(portrait(0).resize((124, 124), Image.Resampling.LANCZOS), 7, (250, 248, 244))
    small = small.convert("RGBA").rotate(7, Image.Resampling.BICUBIC, expand=True)
    art.paste(small, (18, 18), small)
    return art


def with_page(picture: Image.Image, lines: tuple[float, ...]) -> Image.Image:
    """The picture and the words that it came from."""
    page = Image.new("RGBA", (168, 40 + 22 * len(lines)), (250, 248, 244, 255))
    pen = ImageDraw.Draw(page)
    for index, length in enumerate(lines):
        pen.rounded_rectangle((20, 22 + 22 * index, 20 + 128 * length, 30 + 22 * index), 4, fill=(70, 66, 90))
    page = page.rotate(-6, Image.Resampling.BICUBIC, expand=True)
    art = picture.copy()
    art.paste(page, (16, 16), page)
    return art


def snow(art: Painting) -> None:
    art.backdrop((320, 420), (96, 92, 138), (22, 26, 58), 620)
    random = np.random.default_rng(3)
    for side in (-1, 1):
        for index in range(4):
            x, y, radius = 320 + side * (300 - 62 * index), 120 + 52 * index, 30 - 6 * index
            art.paint(art.ellipse(x, y, radius * 3), (255, 190, 110), opacity=0.35, blur=22, glow=True)
            art.paint(art.ellipse(x, y, radius * 0.55), (255, 236, 200), opacity=0.95, blur=3, glow=True)
    for _ in range(150):
        x, y, radius = random.random() * 640, random.random() * 640, 1.2 + 3.6 * random.random()
        art.paint(art.ellipse(x, y, radius), (255, 255, 255), opacity=0.35 + 0.5 * random.random(), blur=1)


def mirrored(places: np.ndarray) -> np.ndarray:
    """What lies beyond an edge is taken from within."""
    places = np.abs(places.astype(int)) % (2 * SIZE)
    return np.where(places < SIZE, places, 2 * SIZE - 1 - places)


def ink(seed: int, colours: tuple[Colour, ...]) -> Image.Image:
    """Clouds that fold into each other: noise, displaced by noise."""
    random = np.random.default_rng(seed)

    def cloud(cells: int) -> np.ndarray:
        grid = Image.fromarray((random.random((cells, cells)) * 255).astype(np.uint8))
        return np.asarray(grid.resize((SIZE, SIZE), Image.Resampling.BICUBIC), float) / 255

    def clouds(cells: int) -> np.ndarray:
        return sum(cloud(cells * 2**octave) / 2**octave for octave in range(4)) / 1.875

    y, x = np.mgrid[0:SIZE, 0:SIZE]
    field = clouds(4)
    for _ in range(2):
        by_x, by_y = (clouds(3) - 0.5) * 260, (clouds(3) - 0.5) * 260
        field = field[mirrored(y + by_y), mirrored(x + by_x)]
    place = np.clip((field - field.min()) / (field.max() - field.min()), 0, 1) ** 1.3 * (len(colours) - 1)
    low = np.minimum(place.astype(int), len(colours) - 2)
    table, part = np.asarray(colours, float), (place - low)[..., None]
    art = table[low] * (1 - part) + table[low + 1] * part
    return Image.fromarray(art.round().astype(np.uint8))


# -- what they sound like ----------------------------------------------------------------------------------------------


def with_sound(picture: Image.Image, sound: Path, colours: Colours, middle: float = MIDDLE_OF_BARS) -> Image.Image:
    """The picture with the waveform of its sound."""
    art = Painting(SIZE, SIZE)
    art.image = picture.resize(art.size, Image.Resampling.LANCZOS)
    shade = art.mask([(0, middle - 66), (SIZE, middle - 66), (SIZE, SIZE), (0, SIZE)], smooth=False)
    art.paint(shade, (14, 10, 24), opacity=0.7, blur=26)
    step = (SIZE - 56) / BARS
    for index, level in enumerate(loudness(sound)):
        x, half = 28 + (index + 0.5) * step, 2 + 46 * level
        box = [(x - 2.4, middle - half), (x + 2.4, middle - half), (x + 2.4, middle + half), (x - 2.4, middle + half)]
        art.paint(art.mask(box, smooth=False), *colours, blur=0.4)
    return art.finished()


def vocals_over_song() -> Image.Image:
    """The song dim, the voice bright above it."""
    song = with_sound(stage(1.75), MUSIC, ((120, 100, 150), (90, 80, 120)))
    return with_sound(song, VOICE, ((255, 240, 190), (255, 150, 110)), MIDDLE_OF_BARS - 64)


WARM: Colours = ((255, 246, 226), (250, 190, 150))
NEON: Colours = ((255, 170, 210), (130, 140, 255))
THUMBNAILS: dict[str, Callable[[], Image.Image]] = {
    "quickstart_portrait_and_voice": lambda: with_sound(of_file(RESULTS / "portrait.png"), VOICE, WARM),
    "quickstart_shapes_and_music": lambda: with_sound(
        of_file(RESULTS / "shapes.png"), MUSIC, ((255, 214, 140), (120, 220, 190))
    ),
    "quickstart_sound_alone": lambda: with_sound(
        of_file(RESULTS / "sound_alone.png"), MUSIC, ((140, 230, 255), (170, 150, 255))
    ),
    "quickstart_lip_sync": lambda: with_sound(speaker(LOUD), VOICE, ((200, 250, 235), (110, 200, 240))),
    "talking_portrait": lambda: with_sound(portrait(1.0), VOICE, WARM),
    "talking_portrait_infinitetalk": lambda: with_sound(
        strips(*map(portrait, (0.0, 1.0, 0.35, 0.8))), VOICE, ((226, 255, 214), (90, 200, 150))
    ),
    "two_people_talk_infinitetalk": lambda: with_sound(two_people(), VOICE, ((255, 250, 210), (240, 170, 90))),
    "music_performance": lambda: with_sound(moving(stage(0.98, -14), stage(0.98, 12), stage(0.98, -3)), MUSIC, NEON),
    "text_image_and_sound_humo": lambda: with_sound(in_the_snow(), VOICE, ((255, 236, 236), (235, 110, 120))),
    "image_and_song_ltx": lambda: with_sound(stage(1.25), MUSIC, ((255, 220, 140), (255, 160, 80))),
    "song_vocals_drive_ltx": vocals_over_song,
    "abstract_clip_ltx": lambda: with_sound(
        ink(8, ((8, 6, 34), (52, 22, 128), (190, 40, 150), (255, 190, 90))), MUSIC, ((255, 236, 150), (255, 200, 120))
    ),
    "lip_sync_ltx": lambda: with_sound(
        halves(speaker(SILENT), speaker(LOUD)), VOICE, ((255, 226, 190), (240, 140, 170))
    ),
    "image_and_song_ltx25": lambda: with_sound(stage(1.1, 5, 200, True), MUSIC, ((190, 255, 220), (90, 200, 255))),
    "abstract_clip_ltx25": lambda: with_sound(
        ink(21, ((4, 24, 34), (8, 110, 120), (240, 190, 110), (255, 250, 230))),
        MUSIC,
        ((255, 255, 255), (150, 240, 230)),
    ),
    "key_frames_ltx": lambda: with_sound(
        strips(portrait(0.0), moving(portrait(0.5), stage(0.95)), stage(0.95)),
        MUSIC,
        ((190, 220, 255), (110, 150, 255)),
    ),
    "screenwriter_ltx": lambda: with_sound(
        with_page(stage(1.1, 0, 170), (1.0, 0.8, 0.95, 0.6)), MUSIC, ((240, 240, 240), (150, 200, 210))
    ),
    "song_from_words": lambda: with_sound(
        with_page(stage(1.0, -6, 100), (0.5, 0.7, 0.45, 0.65, 0.3)), MUSIC, ((200, 255, 170), (255, 200, 90))
    ),
    "speech_from_words": lambda: with_sound(
        with_page(portrait(0.55), (0.9, 1.0, 0.4)), VOICE, ((210, 230, 255), (150, 140, 250))
    ),
    "wan27_cloud": lambda: with_sound(stage(1.3, -8, 60, True), MUSIC, ((255, 255, 255), (170, 190, 230))),
    "long_song_ltx25": lambda: with_sound(
        strips(*(stage(0.92, tilt, hue) for tilt, hue in ((-5, 0), (4, 80), (-2, 150), (6, 215)))),
        MUSIC,
        ((150, 255, 220), (90, 130, 255)),
    ),
    "image_and_song_h3": lambda: with_sound(stage(1.5, -4, 25), MUSIC, ((170, 220, 255), (255, 130, 170))),
    "abstract_clip_h3": lambda: with_sound(
        ink(34, ((20, 8, 30), (90, 20, 80), (220, 90, 60), (255, 230, 160))),
        MUSIC,
        ((255, 250, 220), (255, 170, 120)),
    ),
    "long_song_h3": lambda: with_sound(
        strips(*(stage(1.4, tilt, hue) for tilt, hue in ((3, 230), (-4, 40), (5, 120), (-3, 190)))),
        MUSIC,
        ((255, 220, 250), (150, 110, 255)),
    ),
}


if __name__ == "__main__":
    for name in sys.argv[1:] or THUMBNAILS:
        THUMBNAILS[name]().save(WORKFLOWS / f"{name}.jpg", quality=88)
