"""A saliency map as a picture to lay over the photo."""

import base64
import io

import numpy as np
from PIL import Image

# From nothing over yellow to dark red, each with its opacity: in grey print too, more is darker.
_STOPS = (0, 96, 176, 255)
_COLOURS = np.array([(255, 237, 160, 0), (254, 178, 76, 120), (240, 59, 32, 200), (128, 0, 38, 235)], dtype=float)
_PALETTE = np.stack([np.interp(np.arange(256), _STOPS, _COLOURS[:, channel]) for channel in range(4)], axis=1)


def picture(saliency: np.ndarray, side_px: int) -> str:
    """Draw a map, uint8 (h, w), as a transparent square PNG of that side, given as a data: URL."""
    smooth = Image.fromarray(saliency).resize((side_px, side_px), Image.Resampling.BICUBIC)
    drawn = Image.frombytes("P", smooth.size, smooth.tobytes())
    drawn.putpalette(np.rint(_PALETTE).astype(np.uint8).tobytes(), "RGBA")
    buffer = io.BytesIO()
    drawn.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
