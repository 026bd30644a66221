"""ISIC data in, a bundle out. The training path is Keras 3 and numpy, for any backend; see batch_norm.py."""
