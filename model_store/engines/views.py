"""Takes a network apart that looks at a photo several times, so that OpenVINO computes its looks side by side.

Inside the network the looks are a batch, and two threads that share a batch hand the values of every layer from one
processor to the other. Where the processors share no cache, that takes a third of the speed. With a look of its own no
thread needs anything of another, and the answer is the same.
"""

from dataclasses import dataclass

import numpy as np
import openvino as ov
from openvino import opset13 as operations


@dataclass(frozen=True)
class Parts:
    """One network in three.

    Attributes:
        before: makes of a photo, (1, H, W, 3), its views: an output each, all of one shape.
        view: looks at one view; one output or more.
        after: makes of these outputs, view by view in order, what the whole network would have answered.
    """

    before: ov.Model
    view: ov.Model
    after: ov.Model


def take_apart(network: ov.Model) -> Parts:
    """Cut a network where it makes a batch of its views and where it parts that batch again.

    Args:
        network: of one input, for one photo; is used up. One without such a place looks once, and stays whole.
    """
    joins = [node for node in network.get_ops() if node.get_type_name() == "Concat" and node.get_axis() == 0]
    parts = [node for node in network.get_ops() if node.get_type_name() == "Split" and _axis(node) == 0]
    if (len(joins), len(parts)) != (1, 1) or joins[0].get_input_size() != parts[0].get_output_size():
        return Parts(_nothing(network.inputs), network, _nothing(network.outputs))
    (join,), (part,) = joins, parts
    views = [join.input_value(number) for number in range(join.get_input_size())]
    before = ov.Model([operations.result(view) for view in views], network.get_parameters(), "before")

    found, results = part.input_value(0), network.get_results()
    view = _parameter(views[0].get_partial_shape())
    join.output(0).replace(view.output(0))
    looks = ov.Model([operations.result(found)], [view], "view")
    looks.validate_nodes_and_infer_types()  # of one look; its shapes were those of the batch

    answers = [_parameter(output.get_partial_shape()) for output in part.outputs()]
    for output, answer in zip(part.outputs(), answers, strict=True):
        output.replace(answer.output(0))
    return Parts(before, looks, ov.Model(results, answers, "after"))


def _axis(split: ov.Node) -> int:
    return int(split.input_value(1).get_node().get_data())


def _parameter(shape: ov.PartialShape) -> ov.Node:
    return operations.parameter(shape, np.float32)


def _nothing(tensors: list[ov.Output]) -> ov.Model:
    """Give back what comes in."""
    inputs = [_parameter(tensor.get_partial_shape()) for tensor in tensors]
    return ov.Model([operations.result(node) for node in inputs], inputs, "nothing")
