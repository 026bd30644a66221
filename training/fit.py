"""A training run: stage after stage, checkpointed, and resumed by the same command.

A run's folder holds
    recipe.json, versions.json   what runs, on what
    split.csv                    each image's label and side
    history.csv                  a row an epoch, written as it ends; learning_curves.svg shows them
    STAGE.weights.npz            the network after each stage; STAGE+STAGE.weights.npz the mean of several
    checkpoint/                  the current stage, rewritten every few minutes
"""

import dataclasses
import math
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from tqdm import tqdm

from model_store.classes import CODES
from model_store.preprocessing import InputSpec, to_input
from training import (
    augmentation,
    checkpoint,
    lite2,
    losses,
    metrics,
    net2net,
    network,
    plots,
    record,
    schedules,
    starting_weights,
)
from training.configs.recipe import B4, Recipe, Stage
from training.distillation import TaughtDraws
from training.draws import Draws, validation_rows
from training.errors import TrainingError
from training.prepare import Data

CHECKPOINT_SECONDS = 180
_STATISTICS_BATCHES = 8
_TURNED = 0.5  # the share of a stage after which activations that it turns to Swish have turned


class NotFiniteLoss(TrainingError):
    """The loss became infinite or NaN; going on would only spoil the checkpoint."""


class OutOfTime(Exception):
    """The time that a call may take is over: its checkpoint is whole, and the same call goes on from it."""


def run(
    recipe: Recipe,
    data: Data,
    folder: Path,
    weights: str,
    *,
    teacher: str | None = None,
    tensorboard: bool = False,
    until: float = math.inf,
) -> Path:
    """Train, or go on where an earlier call was stopped.

    Each stage starts from, in this order: its own checkpoint, the stage before it, the starting weights.

    Args:
        recipe: what to train.
        data: from `prepare`.
        folder: the run's folder, made when missing.
        weights: see `starting_weights.load`.
        teacher: the same, of a finished network that stages with a `teacher_share` learn from.
        tensorboard: also write each epoch's figures where TensorBoard reads them: `tensorboard/STAGE/`.
        until: by `time.monotonic()`; the first step that ends later is the last.

    Returns:
        The file with the weights that the run ends with, for `network.load_weights`.

    Raises:
        OutOfTime: `until` came before the end.
        NotFiniteLoss: lower the learning rate; the last checkpoint is whole.
        OtherSplit: the folder, the starting weights or the teacher began with other images, labels or another split.
        OtherRecipe: the folder belongs to a run of another recipe, or with another teacher.
        TrainingError: the starting weights or the teacher cannot be had, or fit another network; a stage of B4 is to
            grow from a Lite2 that has not turned to Swish; or a batch cannot be shared out evenly among the devices.
    """
    if teacher is None and recipe.is_taught:
        raise TrainingError("this recipe has stages that learn from a teacher: name one by --teacher")
    learnt_before = record.check_start(weights, data.table)
    if teacher is not None:
        learnt_before += record.check_start(teacher, data.table)
    if not (folder / "recipe.json").exists():
        _check_loading(recipe, weights, teacher)
    folder.mkdir(parents=True, exist_ok=True)
    record.start(recipe, weights, folder, teacher)
    record.data(data.table, folder, learnt_before)
    for number, stage in enumerate(recipe.stages):
        if not weights_file(folder, stage.name).exists():
            record.stage(stage.name, folder)
            _run_stage(recipe, number, data, folder, weights, teacher, tensorboard, until)
    last = final_weights(recipe, folder)
    if recipe.average:  # each time: a stage may have been trained again since
        checkpoint.save_arrays(last, network.mean([weights_file(folder, name) for name in recipe.average]))
    return last


def final_weights(recipe: Recipe, folder: Path) -> Path:
    """The file with the weights that a run ends with: `run` writes it."""
    return weights_file(folder, "+".join(recipe.average) or recipe.stages[-1].name)


def weights_file(folder: Path, stage_name: str) -> Path:
    """The file with the weights after a stage of the run in this folder."""
    return folder / f"{stage_name}.weights.npz"


def logits(model: keras.Model, pixels: np.ndarray, rows: np.ndarray, spec: InputSpec, batch_size: int) -> np.ndarray:
    """Ask a network about images as serving would.

    Args:
        model: from `network.build`.
        pixels: shape (N, common_px, common_px, 3), uint8.
        rows: row numbers of the images to ask about.
        spec: resampling is used; the size is the network's own.
        batch_size: images a step.

    Returns:
        Shape (len(rows), 8), float32.
    """
    size_px = model.input_shape[1]
    out = np.empty((len(rows), len(CODES)), "float32")
    for start in tqdm(range(0, len(rows), batch_size), desc=f"asking at {size_px} px", leave=False, mininterval=5):
        batch = rows[start : start + batch_size]
        inputs = prepared(pixels, batch, spec, size_px)
        missing = batch_size - len(batch)  # one fixed shape: another would be compiled anew
        inputs = np.pad(inputs, ((0, missing), (0, 0), (0, 0), (0, 0)))
        out[start : start + batch_size] = model.predict_on_batch(inputs)[: len(batch)]
    return out


def prepared(pixels: np.ndarray, rows: np.ndarray, spec: InputSpec, size_px: int) -> np.ndarray:
    """These rows' images as serving would see them, at this size: float32 (len(rows), size_px, size_px, 3)."""
    spec = dataclasses.replace(spec, size_px=size_px)
    with ThreadPoolExecutor() as pool:  # a GPU would wait longer for one thread than it computes
        return np.stack(list(pool.map(lambda row: to_input(pixels[row], spec), rows)))


def use_devices(count: int) -> None:
    """Share every batch out among so many devices from now on, each with the whole network.

    Raises:
        TrainingError: the backend is not JAX, or there are fewer devices.
    """
    if keras.backend.backend() != "jax":
        raise TrainingError("more than one device needs KERAS_BACKEND=jax")
    there = keras.distribution.list_devices()
    if count > len(there):
        raise TrainingError(f"{count} devices are wanted; there are {len(there)}: {', '.join(there)}")
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=there[:count]))


def _check_loading(recipe: Recipe, weights: str, teacher: str | None) -> None:
    """Load once what a run begins with and learns from, before its folder is bound to them or hours have passed."""
    first = recipe.stages[0]
    starting_weights.load(build(recipe, first), weights)
    if teacher is not None:
        starting_weights.load(network.build(first.size_px), teacher)


def _run_stage(
    recipe: Recipe,
    number: int,
    data: Data,
    folder: Path,
    weights: str,
    teacher: str | None,
    tensorboard: bool,
    until: float,
) -> None:
    stage = recipe.stages[number]
    _check_devices(stage)
    draws = draws_of(recipe, number, data, teacher)
    model = _starting_network(recipe, number, folder, weights, draws)
    loss = loss_of(recipe, draws)
    trainer = compiled(model, recipe, stage, loss, draws.pixels.shape[1])
    validation = validation_rows(data.table, recipe)
    state = checkpoint.State(folder / "checkpoint", stage.name)
    state.restore(model, trainer.optimizer)
    callbacks = _callbacks(recipe, trainer, folder / f"{stage.name}.best.weights.h5", state.history)
    if tensorboard:
        callbacks.append(_tensorboard(trainer, folder / "tensorboard" / stage.name))
    progress = tqdm(
        total=stage.epochs * draws.epoch_images,
        initial=state.epoch * draws.epoch_images + state.step * stage.batch_size,
        desc=f"{stage.name}, {stage.size_px} px",
        unit="image",
        mininterval=5,
    )
    with progress:
        while state.epoch < stage.epochs and not trainer.stop_training:
            _train_epoch(stage, draws, model, trainer, state, progress, until)
            with _averaged(trainer):
                answers = logits(model, draws.pixels, validation, recipe.input, stage.batch_size)
                row = state.end_epoch(_validate(answers, draws.labels[validation], loss), trainer.optimizer)
                progress.write(" ".join(f"{key} {value:.4g}" for key, value in row.items() if key != "stage"))
                # Before the checkpoint: the last step may have spoiled the weights after its own loss was taken.
                if len(validation) and not np.isfinite(row["val_loss"]):
                    raise NotFiniteLoss(f"validation loss {row['val_loss']} in stage {stage.name}, epoch {state.epoch}")
                for callback in callbacks:
                    callback.on_epoch_end(state.epoch - 1, _watched(row))
            state.save(model, trainer.optimizer)
            _show(folder, state)
    _finish_stage(recipe, stage, model, trainer, folder, state)


def _starting_network(recipe: Recipe, number: int, folder: Path, weights: str, draws: Draws) -> keras.Model:
    stage = recipe.stages[number]
    keras.utils.set_random_seed(recipe.seed + number)
    model = build(recipe, stage)
    if number:
        _continue(model, recipe, number, folder)
    else:
        starting_weights.load(model, weights)
    if not number and weights == "lite2" and stage.network == B4:
        batches = draws.order(0)[: _STATISTICS_BATCHES * stage.batch_size].reshape(-1, stage.batch_size)
        net2net.estimate_batch_norm(
            model, [prepared(draws.pixels, rows, recipe.input, stage.size_px) for rows in batches]
        )
    network.freeze(model, stage.trainable_from)
    return model


def draws_of(recipe: Recipe, number: int, data: Data, teacher: str | None) -> Draws:
    """What a stage learns from: beside the labels the teacher's answers, where it has a `teacher_share`."""
    if recipe.stages[number].teacher_share:
        return TaughtDraws(recipe, number, data, teacher)
    return Draws(recipe, number, data)


def build(recipe: Recipe, stage: Stage) -> keras.Model:
    """The network that a stage trains, of random weights."""
    return network.build(
        stage.size_px,
        kind=stage.network,
        dropout=recipe.dropout,
        drop_connect=recipe.drop_connect,
        batch_norm_momentum=stage.batch_norm_momentum,
        to_train=True,
        precision=recipe.precision,
    )


def _continue(model: keras.Model, recipe: Recipe, number: int, folder: Path) -> None:
    """Let a stage's network begin with what earlier ones ended with, grown where those trained the small one."""
    stage = recipe.stages[number]
    names = stage.starts_from or (recipe.stages[number - 1].name,)
    before = next(earlier for earlier in recipe.stages if earlier.name == names[0])
    values = network.mean([weights_file(folder, name) for name in names])
    if before.network == stage.network:
        network.set_variables(model, values)
        return
    small = build(recipe, before)
    network.set_variables(small, values)
    if not lite2.is_swish(small):
        raise TrainingError(f"after {names} the activations are not those of {B4} yet: it would compute something else")
    net2net.grow(small, model)


def _show(folder: Path, state: checkpoint.State) -> None:
    """Let the history of a stage that still runs be seen."""
    checkpoint.append_history(folder, state.history)
    plots.learning_curves(pd.read_csv(folder / "history.csv"), folder / "learning_curves.svg")


def _train_epoch(
    stage: Stage,
    draws: Draws,
    model: keras.Model,
    trainer: keras.Model,
    state: checkpoint.State,
    progress: tqdm,
    until: float,
) -> None:
    order = draws.order(state.epoch)
    steps = -(-len(order) // stage.batch_size)
    checkpoint_due = time.monotonic() + CHECKPOINT_SECONDS
    while state.step < steps:
        step = state.epoch * steps + state.step
        if stage.warmup is not None:
            rate = schedules.warmup_cosine(step, stage.epochs * steps, stage.warmup, stage.peak)
            trainer.optimizer.learning_rate = rate
        if stage.to_swish:
            lite2.set_swish(model, min(step / (_TURNED * stage.epochs * steps), 1.0))
        rows = order[state.step * stage.batch_size : (state.step + 1) * stage.batch_size]
        inputs, targets = draws.batch(rows, state.epoch, state.step)
        trainer.reset_metrics()
        logs = trainer.train_on_batch(inputs, targets, return_dict=True)
        if not np.isfinite(logs["loss"]):
            raise NotFiniteLoss(f"loss {logs['loss']} in stage {stage.name}, step {step}")
        state.add(logs, len(rows))
        progress.update(len(rows))
        progress.set_postfix(loss=f"{state.mean('loss'):.3f}", refresh=False)
        if time.monotonic() > min(checkpoint_due, until):
            state.save(model, trainer.optimizer)
            checkpoint_due = time.monotonic() + CHECKPOINT_SECONDS
        if time.monotonic() > until:
            raise OutOfTime


def _finish_stage(
    recipe: Recipe, stage: Stage, model: keras.Model, trainer: keras.Model, folder: Path, state: checkpoint.State
) -> None:
    if recipe.optimizer.ema:
        trainer.optimizer.finalize_variable_values(trainer.trainable_variables)
    best = folder / f"{stage.name}.best.weights.h5"
    if best.exists():
        trainer.load_weights(best)
    checkpoint.append_history(folder, state.history)
    checkpoint.save_arrays(weights_file(folder, stage.name), network.variables(model))
    best.unlink(missing_ok=True)
    shutil.rmtree(state.folder, ignore_errors=True)


def loss_of(recipe: Recipe, draws: Draws) -> Callable:
    """The recipe's loss for these draws; see `losses.cross_entropy`."""
    return losses.cross_entropy(
        recipe.label_smoothing,
        draws.log_shares if recipe.logit_adjustment else None,
        np.exp(-draws.log_shares) / len(CODES) if recipe.class_balanced_loss else None,
    )


def compiled(model: keras.Model, recipe: Recipe, stage: Stage, loss: Callable, side_px: int) -> keras.Model:
    """The network behind its augmentation, compiled; its input is what `Draws.batch` gives of images of this side."""
    inputs = augmentation.inputs(side_px, stage.augmentation)
    answers = model(augmentation.Augment(stage.size_px)(inputs))
    if stage.thumbnail_share:
        inputs = {**inputs, "offset": keras.Input((len(CODES),), name="offset")}
        answers = answers + inputs["offset"]
    trainer = keras.Model(inputs, answers)
    o = recipe.optimizer
    settings = {
        "learning_rate": stage.peak,
        "beta_1": o.beta_1,
        "beta_2": o.beta_2,
        "epsilon": o.epsilon,
        "global_clipnorm": o.clip,
        "use_ema": o.ema is not None,
        "ema_momentum": o.ema or 0.99,
    }
    if o.weight_decay:
        optimizer = keras.optimizers.AdamW(weight_decay=o.weight_decay, **settings)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    else:
        optimizer = keras.optimizers.Adam(**settings)
    optimizer.build(trainer.trainable_variables)
    # XLA is what JAX needs; TensorFlow on a CPU is faster without.
    trainer.compile(optimizer, loss, metrics=["accuracy"], jit_compile=keras.backend.backend() == "jax")
    trainer.stop_training = False
    return trainer


def _callbacks(recipe: Recipe, trainer: keras.Model, best: Path, history: list[dict]) -> list:
    """Keras's own callbacks, brought to where a resumed stage was by replaying its history."""
    watch = {"monitor": "val_loss", "mode": "min"}
    replayed = []
    if recipe.early_stopping_patience is not None:
        replayed.append(keras.callbacks.EarlyStopping(patience=recipe.early_stopping_patience, **watch))
    if recipe.reduce_lr_patience is not None:
        replayed.append(keras.callbacks.ReduceLROnPlateau(patience=recipe.reduce_lr_patience, **watch))
    if not replayed:
        return []
    losses_so_far = [row["val_loss"] for row in history]
    keep_best = keras.callbacks.ModelCheckpoint(
        best,
        save_best_only=True,
        save_weights_only=True,
        initial_value_threshold=min(losses_so_far, default=None),
        **watch,
    )
    rate = float(trainer.optimizer.learning_rate)
    for callback in (*replayed, keep_best):
        callback.set_model(trainer)
        callback.on_train_begin()
    for epoch, row in enumerate(history):
        for callback in replayed:
            callback.on_epoch_end(epoch, _watched(row))
    trainer.optimizer.learning_rate = rate  # the replay lowered it a second time
    return [*replayed, keep_best]


def _tensorboard(trainer: keras.Model, folder: Path) -> keras.callbacks.Callback:
    """Keras's own; it needs the packages tensorflow and tensorboard, whatever the backend."""
    callback = keras.callbacks.TensorBoard(folder, write_graph=False, update_freq="epoch")
    callback.set_model(trainer)
    callback.on_train_begin()
    return callback


@contextmanager
def _averaged(trainer: keras.Model) -> Iterator[None]:
    """Inside, the network has its averaged weights, where the recipe averages: those are what the stage ends with."""
    if not trainer.optimizer.use_ema:
        yield
        return
    swap = keras.callbacks.SwapEMAWeights()
    swap.set_model(trainer)
    swap.on_test_begin()
    try:
        yield
    finally:
        swap.on_test_end()


def _check_devices(stage: Stage) -> None:
    distribution = keras.distribution.distribution()
    devices = 1 if distribution is None else int(np.prod(distribution.device_mesh.shape))
    if stage.batch_size % devices:
        raise TrainingError(f"stage {stage.name}: a batch of {stage.batch_size} cannot be shared out among {devices}")


def _watched(row: dict) -> dict[str, float]:
    return {key: value for key, value in row.items() if isinstance(value, float)}


def _validate(answers: np.ndarray, labels: np.ndarray, loss) -> dict[str, float]:
    targets = np.eye(len(CODES), dtype="float32")[labels]
    matrix = metrics.confusion(labels, answers.argmax(axis=1), len(CODES))
    return {
        "val_loss": float(np.mean(keras.ops.convert_to_numpy(loss(targets, answers)))),
        "val_accuracy": metrics.accuracy(matrix),
        "val_balanced_accuracy": metrics.balanced_accuracy(matrix),
    }
