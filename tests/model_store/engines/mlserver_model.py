"""What MLServer runs in test_remote.py: a bundle's network by OpenVINO, behind the Open Inference Protocol."""

import asyncio
import os
from pathlib import Path

import numpy as np
from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

from model_store import engines


class BundleModel(MLModel):
    """Serves the bundle whose network and cache the environment names."""

    async def load(self) -> bool:
        options = engines.Options(cache=Path(os.environ["TEST_CACHE"]))
        self._engine = engines.load("openvino", Path(os.environ["TEST_MODEL"]), options)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        await asyncio.sleep(float(os.environ.get("TEST_DELAY_S", "0")))
        (photo,) = payload.inputs
        output = self._engine.run(np.asarray(photo.data, np.float32).reshape(photo.shape))
        tensors = {"logits": output.logits, "feature_map": output.feature_map}
        return InferenceResponse(
            model_name=self.name,
            outputs=[
                ResponseOutput(name=name, shape=list(values.shape), datatype="FP32", data=values.ravel().tolist())
                for name, values in tensors.items()
            ],
        )
