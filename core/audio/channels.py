"""Many channels to two, as a listener with two loudspeakers would hear them."""

import numpy as np

MOST_CHANNELS = 2
SIDE = 0.5**0.5
LEFT, RIGHT, CENTRE, LOW, BOTH = (1.0, 0.0), (0.0, 1.0), (SIDE, SIDE), (0.0, 0.0), (0.5, 0.5)
SIDE_LEFT, SIDE_RIGHT = (SIDE, 0.0), (0.0, SIDE)
# What each channel gives to left and right, by channel count: AUDIO does not tell its layout, these are the usual ones
# (``clip_formats.LAYOUTS``: 3.0, 4.0, 5.0, 5.1, 6.1, 7.1 in the order of libav). ITU-R BS.775: centre and sides at
# -3 dB, no low-frequency channel; a channel behind goes to both sides at -6 dB, as in libav's swresample.
SHARES = {
    3: (LEFT, RIGHT, CENTRE),
    4: (LEFT, RIGHT, CENTRE, BOTH),
    5: (LEFT, RIGHT, CENTRE, SIDE_LEFT, SIDE_RIGHT),
    6: (LEFT, RIGHT, CENTRE, LOW, SIDE_LEFT, SIDE_RIGHT),
    7: (LEFT, RIGHT, CENTRE, LOW, BOTH, SIDE_LEFT, SIDE_RIGHT),
    8: (LEFT, RIGHT, CENTRE, LOW, SIDE_LEFT, SIDE_RIGHT, SIDE_LEFT, SIDE_RIGHT),
}


def to_stereo(samples: np.ndarray) -> np.ndarray:
    """``[C, n]`` float32 -> ``[2, n]``; one and two channels as they are (``[C, n]``).

    The shares are scaled so that a side never exceeds full scale, as swresample does for integer samples. More than
    eight channels have no usual layout: both sides get their mean.
    """
    channels = len(samples)
    if channels <= MOST_CHANNELS:
        return samples
    shares = np.array(SHARES.get(channels, [(1.0, 1.0)] * channels))
    weights = (shares / shares.sum(axis=0).max()).T.astype(np.float32)
    mixed = np.zeros((MOST_CHANNELS, samples.shape[1]), np.float32)
    for side, weight in zip(mixed, weights, strict=True):
        for channel, share in zip(samples, weight, strict=True):  # not a product of matrices: the same in any pieces
            if share:
                side += channel * share
    return mixed
