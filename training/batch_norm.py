"""Batch normalization as one kernel, where the backend has one: Keras's own walks over each map again and again.

With it a training step takes three quarters of the time under TensorFlow on a CPU (docs/decisions/0007). It computes
the same and has the same weights; it is for training alone, so that what is saved needs nothing but Keras.
"""

import keras
from keras import ops


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras's layer, of rank-4 maps with the channels last, by TensorFlow's kernel FusedBatchNormV3 in training."""

    def call(self, inputs, training=None, mask=None):
        if not (training and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        import tensorflow  # under JAX it need not be there

        outputs, mean, variance, *_ = tensorflow.raw_ops.FusedBatchNormV3(
            x=inputs, scale=self.gamma, offset=self.beta, mean=[], variance=[], epsilon=self.epsilon, is_training=True
        )
        count = ops.cast(ops.prod(ops.shape(inputs)[:3]), variance.dtype)
        variance = variance * (count - 1) / count  # the kernel's is the unbiased one, Keras keeps the other
        for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + new * (1 - self.momentum))
        return outputs


def fused(network: keras.Model) -> keras.Model:
    """The same layers, of random weights, with the fused kernel; under another backend the network itself."""
    if keras.backend.backend() != "tensorflow":
        return network
    return keras.models.clone_model(network, clone_function=_fused_layer)


def _fused_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    kind = FusedBatchNormalization if type(layer) is keras.layers.BatchNormalization else type(layer)
    return kind.from_config(layer.get_config())
