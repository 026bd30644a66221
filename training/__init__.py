"""ISIC data in, a bundle out. Keras 3 and numpy only on the training path, so that any Keras backend runs it."""
