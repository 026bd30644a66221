"""A training run: stage after stage, checkpointed, and resumed by the same command.

A run's folder holds
    recipe.json, versions.json   what runs, on what
    history.csv                  a row an epoch
    STAGE.weights.npz            the network after each stage
    checkpoint/                  the current stage, rewritten every few minutes
"""

import dataclasses
import hashlib
import json
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from tqdm import tqdm

from model_store.classes import CODES
from model_store.preprocessing import InputSpec, to_input
from training import augmentation, lite2, losses, metrics, network, sampling, schedules
from training.configs.recipe import Recipe, Stage, from_dict

CHECKPOINT_SECONDS = 180
_STATISTICS_BATCHES = 8


@dataclass(frozen=True)
class Data:
    """What `prepare` made: the table with its `split` and, for the same rows, the pixels at two sizes.

    `pixels` is uint8 (N, common_px, common_px, 3); `thumbnails` the same at 84 px, for stages that train on them.
    """

    table: pd.DataFrame
    pixels: np.ndarray
    thumbnails: np.ndarray


class NotFiniteLoss(RuntimeError):
    """The loss became infinite or NaN; going on would only spoil the checkpoint."""


def run(recipe: Recipe, data: Data, folder: Path, weights: str, *, tensorboard: bool = False) -> Path:
    """Train, or go on where an earlier call was stopped.

    Each stage starts from, in this order: its own checkpoint, the stage before it, the starting weights.

    Args:
        recipe: what to train.
        data: from `prepare`.
        folder: the run's folder, made when missing.
        weights: see `network.load_starting_weights`.
        tensorboard: also write each epoch's figures where TensorBoard reads them: `tensorboard/STAGE/`.

    Returns:
        The file with the weights after the last stage, for `network.load_weights`.

    Raises:
        NotFiniteLoss: lower the learning rate; the last checkpoint is whole.
        ValueError: the folder belongs to a run of another recipe, or one that began with other images, labels or
            another split; or a batch cannot be shared out evenly among the devices.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _record(recipe, weights, folder)
    _record_data(data.table, folder)
    for number, stage in enumerate(recipe.stages):
        if not _weights_file(folder, stage).exists():
            _run_stage(recipe, number, data, folder, weights, tensorboard)
    return _weights_file(folder, recipe.stages[-1])


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
    return np.stack([to_input(pixels[row], spec) for row in rows])


def use_devices(count: int) -> None:
    """Share every batch out among so many devices from now on, each with the whole network.

    Raises:
        ValueError: the backend is not JAX, or there are fewer devices.
    """
    if keras.backend.backend() != "jax":
        raise ValueError("more than one device needs KERAS_BACKEND=jax")
    there = keras.distribution.list_devices()
    if count > len(there):
        raise ValueError(f"{count} devices are wanted; there are {len(there)}: {', '.join(there)}")
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=there[:count]))


def _run_stage(recipe: Recipe, number: int, data: Data, folder: Path, weights: str, tensorboard: bool) -> None:
    stage = recipe.stages[number]
    _check_devices(stage)
    draws = Draws(recipe, number, data)
    model = _starting_network(recipe, number, folder, weights, draws)
    loss = loss_of(recipe, draws)
    trainer = compiled(model, recipe, stage, loss, draws.pixels.shape[1])
    validation = validation_rows(data.table, recipe)
    state = _State(folder / "checkpoint", stage.name)
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
            _train_epoch(stage, draws, model, trainer, state, progress)
            with _averaged(trainer):
                answers = logits(model, draws.pixels, validation, recipe.input, stage.batch_size)
            row = state.end_epoch(_validate(answers, draws.labels[validation], loss), trainer.optimizer)
            progress.write(" ".join(f"{key} {value:.4g}" for key, value in row.items() if key != "stage"))
            for callback in callbacks:
                callback.on_epoch_end(state.epoch - 1, _watched(row))
            state.save(model, trainer.optimizer)
    _finish_stage(recipe, stage, model, trainer, folder, state)


def _starting_network(recipe: Recipe, number: int, folder: Path, weights: str, draws: "Draws") -> keras.Model:
    stage = recipe.stages[number]
    keras.utils.set_random_seed(recipe.seed + number)
    model = network.build(
        stage.size_px,
        dropout=recipe.dropout,
        drop_connect=recipe.drop_connect,
        batch_norm_momentum=stage.batch_norm_momentum,
        to_train=True,
    )
    if number:
        network.load_weights(model, _weights_file(folder, recipe.stages[number - 1]))
    else:
        network.load_starting_weights(model, weights)
    if not number and weights == "lite2":
        batches = draws.order(0)[: _STATISTICS_BATCHES * stage.batch_size].reshape(-1, stage.batch_size)
        lite2.estimate_batch_norm(
            model, [prepared(draws.pixels, rows, recipe.input, stage.size_px) for rows in batches]
        )
    network.freeze(model, stage.trainable_from)
    return model


def _train_epoch(
    stage: Stage, draws: "Draws", model: keras.Model, trainer: keras.Model, state: "_State", progress: tqdm
) -> None:
    order = draws.order(state.epoch)
    steps = -(-len(order) // stage.batch_size)
    checkpoint_due = time.monotonic() + CHECKPOINT_SECONDS
    while state.step < steps:
        step = state.epoch * steps + state.step
        if stage.warmup is not None:
            rate = schedules.warmup_cosine(step, stage.epochs * steps, stage.warmup, stage.peak)
            trainer.optimizer.learning_rate = rate
        rows = order[state.step * stage.batch_size : (state.step + 1) * stage.batch_size]
        inputs, targets = draws.batch(rows, state.epoch, state.step)
        trainer.reset_metrics()
        logs = trainer.train_on_batch(inputs, targets, return_dict=True)
        if not np.isfinite(logs["loss"]):
            raise NotFiniteLoss(f"loss {logs['loss']} in stage {stage.name}, step {step}")
        state.add(logs, len(rows))
        progress.update(len(rows))
        progress.set_postfix(loss=f"{state.mean('loss'):.3f}", refresh=False)
        if time.monotonic() > checkpoint_due:
            state.save(model, trainer.optimizer)
            checkpoint_due = time.monotonic() + CHECKPOINT_SECONDS


def _finish_stage(
    recipe: Recipe, stage: Stage, model: keras.Model, trainer: keras.Model, folder: Path, state: "_State"
) -> None:
    if recipe.optimizer.ema:
        trainer.optimizer.finalize_variable_values(trainer.trainable_variables)
    best = folder / f"{stage.name}.best.weights.h5"
    if best.exists():
        trainer.load_weights(best)
    _append_history(folder, state.history)
    _save_arrays(_weights_file(folder, stage), network.variables(model))
    best.unlink(missing_ok=True)
    shutil.rmtree(state.folder, ignore_errors=True)


def loss_of(recipe: Recipe, draws: "Draws") -> Callable:
    """The recipe's loss for these draws; see `losses.cross_entropy`."""
    return losses.cross_entropy(
        recipe.label_smoothing,
        draws.log_shares if recipe.logit_adjustment else None,
        np.exp(-draws.log_shares) / len(CODES) if recipe.class_balanced_loss else None,
    )


def compiled(model: keras.Model, recipe: Recipe, stage: Stage, loss: Callable, side_px: int) -> keras.Model:
    """The network behind its augmentation, compiled; its input is what `Draws.batch` gives of images of this side."""
    inputs = augmentation.inputs(side_px, stage.augmentation)
    trainer = keras.Model(inputs, model(augmentation.Augment(stage.size_px)(inputs)))
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
        raise ValueError(f"stage {stage.name}: a batch of {stage.batch_size} cannot be shared out among {devices}")


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


class Draws:
    """The images of a stage, and what each of its steps sees: a function of seed, stage, epoch and step.

    Attributes:
        pixels: shape (N, S, S, 3), uint8.
        labels: shape (N,), int.
        epoch_images: drawn for an epoch, whole batches.
        log_shares: shape (8,), natural logarithm of each class's share of the draws.
    """

    def __init__(self, recipe: Recipe, number: int, data: Data) -> None:
        stage = recipe.stages[number]
        self.pixels = data.thumbnails if stage.thumbnails else data.pixels
        self.labels = data.table.label.to_numpy()
        self._seed = (recipe.seed, number)
        self._augmentation = stage.augmentation
        self._rows = _training_rows(data.table, stage)
        self._chances = sampling.draw_probabilities(data.table.loc[self._rows], recipe.class_power, stage.phone_share)
        # Whole batches: a smaller last one would be compiled anew, and perhaps not be shared out among devices.
        wanted = stage.epoch_images or len(self._rows)
        self.epoch_images = -(-wanted // stage.batch_size) * stage.batch_size
        shares = sampling.class_shares(self.labels[self._rows], self._chances)
        self.log_shares = np.log(np.maximum(shares, 1e-4))  # a class without images must not give -inf

    def order(self, epoch: int) -> np.ndarray:
        """Row numbers of an epoch: shape (epoch_images,)."""
        return self._rows[sampling.epoch(self._chances, self.epoch_images, (*self._seed, epoch))]

    def batch(self, rows: np.ndarray, epoch: int, step: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Images and drawn chance, as `augmentation.Augment` takes them, and targets: float32 (N, 8)."""
        chance = np.random.default_rng((*self._seed, epoch, step))
        drawn = augmentation.draw(chance, len(rows), self.pixels.shape[1], self._augmentation)
        targets = np.eye(len(CODES), dtype="float32")[self.labels[rows]]
        return {"images": self.pixels[rows], **drawn}, augmentation.mix_targets(targets, drawn)


def _training_rows(table: pd.DataFrame, stage: Stage) -> np.ndarray:
    kinds = {"dermoscopy"} | ({"thumbnail"} if stage.thumbnails else set())
    kinds |= {"phone"} if stage.phone_share else set()
    return np.flatnonzero((table.split == "train") & table.kind.isin(kinds))


def validation_rows(table: pd.DataFrame, recipe: Recipe) -> np.ndarray:
    """Row numbers of the validation images that are asked about after an epoch: dermoscopy alone."""
    rows = np.flatnonzero((table.split == "validation") & (table.kind == "dermoscopy"))
    count = recipe.validation_images
    if count is None or count >= len(rows):
        return rows
    return np.sort(np.random.default_rng(recipe.seed).choice(rows, count, replace=False))


class _State:
    """Where a stage stands, and its checkpoint: written whole to a second folder, then exchanged."""

    def __init__(self, folder: Path, stage_name: str) -> None:
        self.folder = folder
        self.stage_name = stage_name
        self.epoch = self.step = 0
        self.sums: dict[str, float] = {}
        self.history: list[dict] = []
        self.minutes = 0.0
        self._since = time.monotonic()

    def add(self, logs: dict, images: int) -> None:
        self.step += 1
        for key, value in {**logs, "images": 1.0}.items():
            self.sums[key] = self.sums.get(key, 0.0) + float(value) * images

    def mean(self, key: str) -> float:
        return self.sums[key] / self.sums["images"]

    def end_epoch(self, validation: dict, optimizer) -> dict:
        self._count_minutes()
        self.epoch += 1
        row = {
            "stage": self.stage_name,
            "epoch": self.epoch,
            "images": int(self.sums["images"]),
            "learning_rate": float(optimizer.learning_rate),
            "loss": self.mean("loss"),
            "accuracy": self.mean("accuracy"),
            **validation,
            "minutes": round(self.minutes, 2),
        }
        self.history.append(row)
        self.step, self.sums = 0, {}
        return row

    def save(self, model: keras.Model, optimizer) -> None:
        self._count_minutes()
        new, old = self.folder.with_suffix(".new"), self.folder.with_suffix(".old")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        _save_arrays(new / "network.npz", network.variables(model))
        _save_arrays(new / "optimizer.npz", [keras.ops.convert_to_numpy(v) for v in optimizer.variables])
        fields = ("stage_name", "epoch", "step", "sums", "history", "minutes")
        (new / "state.json").write_text(json.dumps({name: getattr(self, name) for name in fields}))
        shutil.rmtree(old, ignore_errors=True)
        if self.folder.exists():
            self.folder.rename(old)
        new.rename(self.folder)
        shutil.rmtree(old, ignore_errors=True)

    def restore(self, model: keras.Model, optimizer) -> None:
        old = self.folder.with_suffix(".old")
        if old.exists() and not self.folder.exists():  # killed between the two renames
            old.rename(self.folder)
        file = self.folder / "state.json"
        if not file.exists():
            return
        fields = json.loads(file.read_text())
        if fields["stage_name"] != self.stage_name:
            return  # left by the stage before, killed after its weights were written
        vars(self).update(fields)
        network.load_weights(model, self.folder / "network.npz")
        with np.load(self.folder / "optimizer.npz") as arrays:
            for i, variable in enumerate(optimizer.variables):
                variable.assign(arrays[str(i)])

    def _count_minutes(self) -> None:
        now = time.monotonic()
        self.minutes += (now - self._since) / 60
        self._since = now


def _weights_file(folder: Path, stage: Stage) -> Path:
    return folder / f"{stage.name}.weights.npz"


def _save_arrays(file: Path, arrays: list[np.ndarray]) -> None:
    part = file.with_suffix(".part")
    with part.open("wb") as stream:
        np.savez(stream, **{str(i): array for i, array in enumerate(arrays)})
    part.replace(file)


def _append_history(folder: Path, history: list[dict]) -> None:
    """Add a stage's rows; those of the same stage, left by a kill just after this, are replaced."""
    file = folder / "history.csv"
    rows = pd.DataFrame(history)
    if file.exists():
        before = pd.read_csv(file)
        rows = pd.concat([before[~before.stage.isin(rows.stage)], rows])
    rows.to_csv(file, index=False)


def _record(recipe: Recipe, weights: str, folder: Path) -> None:
    """Write down what runs on what, at its start; refuse a folder of another recipe."""
    file = folder / "recipe.json"
    if file.exists():
        recorded = json.loads(file.read_text())
        same_weights = recorded.pop("weights") == Path(weights).name
        # The size that the network works at may be chosen after training.
        if not same_weights or from_dict({**recorded, "network_px": recipe.network_px}) != recipe:
            raise ValueError(f"{folder} holds a run of another recipe: take another folder, or delete it")
        return
    file.write_text(json.dumps({"weights": Path(weights).name, **dataclasses.asdict(recipe)}, indent=2))
    here = Path(__file__).parent
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False).stdout
    versions = {
        "python": platform.python_version(),
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "numpy": np.__version__,
        "commit": commit.strip() or "unknown",
    }
    (folder / "versions.json").write_text(json.dumps(versions, indent=2))


def _record_data(table: pd.DataFrame, folder: Path) -> None:
    """Write down which images with which labels stand on which side; refuse to go on with any other.

    A run from before this was recorded gets what it is given now.
    """
    rows = table[["image", "label", "split"]].to_csv(index=False)
    digest = hashlib.sha256(rows.encode()).hexdigest()
    file = folder / "versions.json"
    versions = json.loads(file.read_text()) if file.exists() else {}
    if versions.setdefault("data", digest) != digest:
        raise ValueError(
            f"{folder} began with other images, labels or another split: take another folder, or that data"
        )
    file.write_text(json.dumps(versions, indent=2))
