"""Ways to run the network. Each library is imported in its own file alone, and only when that engine is chosen."""

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from model_store.engines import cache
from model_store.engines.base import Engine
from model_store.errors import EngineError

# OpenVINO tells its makers of each import over the internet, and keeps an identity in the home folder to do so, unless
# this package of theirs is missing. Nothing here may talk to anybody.
sys.modules.setdefault("openvino_telemetry", None)

LOCAL = ("openvino", "tensorflow")
NAMES = (*LOCAL, "remote")
AUTO = "auto"  # the fastest that works here; `Classifier.load` chooses


@dataclass(frozen=True)
class Options:
    """What an engine may need to know beside the network.

    Attributes:
        cache: the folder that keeps networks converted for OpenVINO.
        remote_url: of the model, as `http://HOST:8080/v2/models/NAME`; for the remote engine.
        remote_timeout_s: how long that may take for one photo, seconds.
    """

    cache: Path = cache.DEFAULT_ROOT
    remote_url: str = ""
    remote_timeout_s: float = 5.0


def load(name: str, model_path: Path, options: Options | None = None) -> Engine:
    """Start an engine on a bundle's network.

    Args:
        name: one of `NAMES`.
        model_path: the bundle's `model.keras`.
        options: the defaults when left out.

    Raises:
        BundleError: `model_unreadable`.
        EngineError: `engine_unavailable`, also where its library cannot be imported; `conversion_failed`.
        ValueError: no engine has this name.
    """
    try:
        return _load(name, model_path, options or Options())
    except ImportError as error:
        raise EngineError("engine_unavailable", engine=name) from error


def _load(name: str, model_path: Path, options: Options) -> Engine:
    if name == "tensorflow":
        # Errors reach us as exceptions; what TensorFlow logs beside them is about the graphics card that is not there.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        _name_a_temporary_folder()
        from model_store.engines.tensorflow import TensorFlowEngine

        return TensorFlowEngine(model_path)
    if name == "openvino":
        from model_store.engines.openvino import OpenVINOEngine

        return OpenVINOEngine(model_path, cache.get(model_path, options.cache))
    if name == "remote":
        from model_store.engines.remote import RemoteEngine

        return RemoteEngine(model_path, options.remote_url, options.remote_timeout_s)
    raise ValueError(f"no engine is called {name}; there are {', '.join(NAMES)}")


def _name_a_temporary_folder() -> None:
    """Keras cannot even be imported where there is none; the memory's own is there where no disk can be written."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        # Named for the import alone: nothing of ours writes a file there.
        tempfile.tempdir = "/dev/shm"  # nosec B108
