import numpy as np
import pandas as pd
from PIL import Image

from model_store.classes import CODES
from training import contact_sheet

MEL, NV = CODES.index("MEL"), CODES.index("NV")


def test_the_worst_mistakes_come_first_and_right_answers_not_at_all():
    stated = np.zeros((3, 8))
    stated[0, [MEL, NV]] = 0.4, 0.6
    stated[1, NV] = 1
    stated[2, [MEL, NV]] = 0.1, 0.9
    rows = pd.DataFrame({"image": ["a", "b", "c"], "label": [MEL, NV, MEL]})
    mistakes = contact_sheet.worst(np.zeros((3, 8, 8, 3), np.uint8), rows, stated)
    assert [m.caption for m in mistakes] == ["c\nMEL 0.100, taken for NV 0.90", "a\nMEL 0.400, taken for NV 0.60"]
    assert len(contact_sheet.worst(np.zeros((3, 8, 8, 3), np.uint8), rows, stated, count=1)) == 1


def test_each_group_begins_a_row_of_the_sheet(tmp_path):
    red = contact_sheet.Mistake(np.full((8, 8, 3), (255, 0, 0), np.uint8), "red")
    blue = contact_sheet.Mistake(np.full((8, 8, 3), (0, 0, 255), np.uint8), "blue")
    contact_sheet.write([[red] * 7, [blue]], tmp_path / "sheet.jpg")
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        width, height = sheet.size
        assert height == 3 * (width // 6 + 36)
        assert sheet.getpixel((100, 100))[0] > 200
        assert sheet.getpixel((100, 2 * 236 + 100))[2] > 200


def test_a_network_without_mistakes_gives_an_empty_sheet(tmp_path):
    contact_sheet.write([[]], tmp_path / "sheet.jpg")
    assert (tmp_path / "sheet.jpg").exists()
