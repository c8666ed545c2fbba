"""Draw the pictures that stand for the workflows in ComfyUI's template browser: ``python media/make_thumbnails.py``."""

from pathlib import Path

import av
import numpy as np
from painting import Painting
from PIL import Image, ImageOps

MEDIA = Path(__file__).parent
WORKFLOWS = MEDIA.parent / "workflows"
SIZE = 512
BARS = 56
PORTRAIT, STAGE = MEDIA / "sound_to_video_portrait.png", MEDIA / "sound_to_video_stage.png"
SPEAKER = MEDIA / "sound_to_video_speaker.mp4"
FACE, SHAPES = MEDIA / "sound_to_video_face.png", MEDIA / "sound_to_video_shapes.png"
VOICE, MUSIC = MEDIA / "sound_to_video_voice.wav", MEDIA / "sound_to_video_music.flac"

# workflow: (its picture, two where one becomes the other, None for sound alone; its sound;
# colours of the waveform from top to bottom)
THUMBNAILS = {
    "talking_portrait": (PORTRAIT, VOICE, ((255, 246, 226), (250, 190, 150))),
    "talking_portrait_infinitetalk": (PORTRAIT, VOICE, ((226, 255, 214), (90, 200, 150))),
    "text_image_and_sound_humo": (PORTRAIT, VOICE, ((255, 236, 236), (235, 110, 120))),
    "music_performance": (STAGE, MUSIC, ((255, 170, 210), (130, 140, 255))),
    "image_and_song_ltx25": (STAGE, MUSIC, ((255, 190, 120), (255, 90, 140))),
    "abstract_clip_ltx25": (None, MUSIC, ((255, 200, 140), (220, 90, 200))),
    "long_song_ltx25": (STAGE, MUSIC, ((150, 255, 220), (90, 130, 255))),
    "key_frames_ltx": ((PORTRAIT, STAGE), MUSIC, ((190, 220, 255), (110, 150, 255))),
    "screenwriter_ltx": (STAGE, MUSIC, ((240, 240, 240), (150, 200, 210))),
    "song_from_words": (STAGE, MUSIC, ((200, 255, 170), (255, 200, 90))),
    "speech_from_words": (PORTRAIT, VOICE, ((210, 230, 255), (150, 140, 250))),
    "wan27_cloud": (STAGE, MUSIC, ((255, 255, 255), (170, 190, 230))),
    "song_vocals_drive_ltx": (STAGE, MUSIC, ((255, 240, 190), (240, 120, 120))),
    "quickstart_portrait_and_voice": (FACE, VOICE, ((255, 246, 226), (250, 190, 150))),
    "quickstart_shapes_and_music": (SHAPES, MUSIC, ((255, 214, 140), (120, 220, 190))),
    "quickstart_lip_sync": (SPEAKER, VOICE, ((200, 250, 235), (110, 200, 240))),
    "lip_sync_ltx": (SPEAKER, VOICE, ((255, 226, 190), (240, 140, 170))),
    "quickstart_sound_alone": (None, MUSIC, ((140, 230, 255), (120, 120, 255))),
}


def loudness(path: Path) -> np.ndarray:
    """How loud the file is in each of `BARS` equal stretches: [BARS] of 0 .. 1."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono")
        parts = [out.to_ndarray()[0] for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    stretches = np.array_split(np.concatenate(parts), BARS)
    levels = np.array([np.sqrt((stretch**2).mean()) for stretch in stretches])
    return levels / levels.max()


def opened(picture: Path) -> Image.Image:
    """A picture, or of a video the frame in the middle."""
    if picture.suffix != ".mp4":
        with Image.open(picture) as image:
            return image.convert("RGB")
    with av.open(str(picture)) as container:
        frames = list(container.decode(video=0))
    return frames[len(frames) // 2].to_image()


def halves(first: Image.Image, last: Image.Image) -> Image.Image:
    """Left of the one, right of the other, and a line between them."""
    middle = first.width // 2
    both = first.copy()
    both.paste(last.crop((middle, 0, last.width, last.height)), (middle, 0))
    both.paste((255, 255, 255), (middle - 2, 0, middle + 2, first.height))
    return both


def draw(picture: Path | tuple[Path, Path] | None, sound: Path, colours) -> Image.Image:
    art = Painting(SIZE, SIZE)
    if picture:
        paths = picture if isinstance(picture, tuple) else (picture,)
        images = [ImageOps.fit(opened(path), art.size, Image.Resampling.LANCZOS) for path in paths]
        art.image = halves(*images) if len(images) > 1 else images[0]
        shade = art.mask([(0, 380), (SIZE, 380), (SIZE, SIZE), (0, SIZE)], smooth=False)
        art.paint(shade, (14, 10, 24), opacity=0.72, blur=26)
    else:
        art.backdrop((SIZE / 2, SIZE / 2), (70, 40, 110), (12, 10, 30), SIZE * 0.8)
    middle, most = (446, 52) if picture else (SIZE / 2, 180)
    step = (SIZE - 56) / BARS
    for index, level in enumerate(loudness(sound)):
        x, half = 28 + (index + 0.5) * step, 2 + most * level
        bar = art.mask(
            [(x - 2.4, middle - half), (x + 2.4, middle - half), (x + 2.4, middle + half), (x - 2.4, middle + half)],
            False,
        )
        art.paint(bar, *colours, blur=0.4)
    return art.finished()


if __name__ == "__main__":
    for name, how in THUMBNAILS.items():
        draw(*how).save(WORKFLOWS / f"{name}.jpg", quality=88)
