"""Ways to run the network. Each library is imported in its own file alone, and only when that engine is chosen."""

import os
from pathlib import Path

from model_store.engines.base import Engine

NAMES = ("tensorflow",)


def load(name: str, model_path: Path) -> Engine:
    """Start an engine on a bundle's network.

    Args:
        name: one of `NAMES`.
        model_path: the bundle's `model.keras`.

    Raises:
        BundleError: `model_unreadable`.
        EngineError: `engine_unavailable`.
        ValueError: no engine has this name.
    """
    if name == "tensorflow":
        # Errors reach us as exceptions; what TensorFlow logs beside them is about the graphics card that is not there.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        from model_store.engines.tensorflow import TensorFlowEngine

        return TensorFlowEngine(model_path)
    raise ValueError(f"no engine is called {name}; there are {', '.join(NAMES)}")
