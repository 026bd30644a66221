import pytest

from model_store.errors import BundleError, EngineError, ModelStoreError, PhotoError


@pytest.mark.parametrize("kind", [PhotoError, BundleError, EngineError])
def test_an_error_carries_its_code_and_details(kind):
    error = kind("image_too_small", limit_px=64)
    assert isinstance(error, ModelStoreError)
    assert (error.code, error.details) == ("image_too_small", {"limit_px": 64})
    assert str(error) == "image_too_small limit_px=64"


def test_an_error_without_details_is_its_code():
    assert str(PhotoError("damaged_image")) == "damaged_image"
