import numpy as np

from training import plots


def test_a_roc_curve_begins_at_nothing_and_treats_images_of_one_probability_alike(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(plots, "_save", lambda figure, file: figures.append(figure))
    plots.roc(np.full((8, 8), 1 / 8), np.array([0, 0, 0, 0, 1, 1, 1, 1]), tmp_path / "roc.svg")
    (axis,) = figures[0].axes
    plots.plt.close(figures[0])
    assert [line.get_xydata().tolist() for line in axis.lines] == [[[0, 0], [1, 1]]] * 2
