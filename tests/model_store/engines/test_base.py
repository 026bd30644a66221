import numpy as np
import pytest

from model_store.engines.base import EngineOutput, is_finite


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_output_is_finite_if_its_logits_and_its_feature_map_are(bad):
    def output(logit: float = 0, feature: float = 0) -> EngineOutput:
        logits, feature_map = np.zeros((2, 8), np.float32), np.zeros((2, 3, 3, 4), np.float32)
        logits[1, 7], feature_map[1, 2, 2, 3] = logit, feature
        return EngineOutput(logits, feature_map)

    assert is_finite(output())
    assert not is_finite(output(logit=bad))
    assert not is_finite(output(feature=bad))
