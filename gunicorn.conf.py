"""How the site is served. Every environment variable read here is explained in docs/settings.md.

Anything else gunicorn offers can be given in its own variable GUNICORN_CMD_ARGS.
"""

import os
import re
import resource
import sys
from pathlib import Path

from gunicorn_worker import refuse_to_start
from model_store import cpus
from model_store.errors import ModelStoreError


def _setting(variable, default, form, must_be):
    """Read a variable that gunicorn needs before the application is there."""
    value = os.environ.get(variable, default)
    if not re.fullmatch(form, value):
        refuse_to_start(ModelStoreError("setting_invalid", variable=variable, must_be=must_be))
    return value


LOG_FORMAT = _setting("LOG_FORMAT", "text", r"text|json", "text or json")
HOST = _setting("HOST", "127.0.0.1", r"[\w.:-]+", "an address")
PORT = _setting("PORT", "8000", r"\d{1,5}", "a port's number")

bind = f"[{HOST}]:{PORT}" if ":" in HOST else f"{HOST}:{PORT}"

# One process holds one copy of the network; threads read uploads and write pages while it computes. No preload:
# TensorFlow's threads do not survive the fork. docs/decisions/0002-one-worker-with-threads.md
workers = 1
worker_class = "gunicorn_worker.HardenedWorker"  # gthread, hardened against slow clients
threads = int(_setting("THREADS", "16", r"[1-9]\d{0,3}", "a whole number above 0"))
# Each connection is an open file. The process has others: libraries, the log, what each thread reads or asks.
OTHER_FILES = 100 + 5 * threads
worker_connections = 1000
open_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
if open_files != resource.RLIM_INFINITY:
    worker_connections = max(2 * threads, min(worker_connections, open_files - OTHER_FILES))
preload_app = False
# TensorFlow logs a missing GPU as an error; its real failures reach us as exceptions. NumPy's OpenBLAS reads its number
# once, when it is imported, and would else start a thread for each of the host's processors.
raw_env = ["TF_CPP_MIN_LOG_LEVEL=3", f"OPENBLAS_NUM_THREADS={cpus.available()}"]

timeout = 120  # seconds without a sign of life; loading and verifying the bundle on a busy machine is the longest
graceful_timeout = 30  # seconds that requests under way get after SIGTERM
keepalive = 5  # seconds; a result page fetches its style sheet and script over the same connection

limit_request_line = 2048  # bytes; our longest address is far below
limit_request_fields = 50
limit_request_field_size = 8190  # bytes; a browser sends the cookies of a parent domain along with our short one
# Which proxy is believed is said once, by SKIN_PROXIES; gunicorn would believe whoever sits on the same machine.
forwarded_allow_ips = ""

# The worker's heartbeat file in memory: on a disk, a slow write would look like a dead worker.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None
# Nothing listens beside the site itself, and no file is written into the home folder.
control_socket_disable = True


# The site writes a line for each request itself, app/observability.py, on standard output; everything else goes to
# standard error. gunicorn's own access log would tell the answer's size, and with it what kind of answer it was.
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"format": "%(asctime)s %(levelname)s %(message)s", "datefmt": "%Y-%m-%dT%H:%M:%S%z"},
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "fmt": "%(asctime)s %(levelname)s %(name)s %(message)s",
            "datefmt": "%Y-%m-%dT%H:%M:%S%z",
            "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
        },
    },
    "handlers": {
        "requests": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "stream": "ext://sys.stdout"},
        "rest": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "stream": "ext://sys.stderr"},
    },
    "root": {"level": "WARNING", "handlers": ["rest"]},
    "loggers": {
        "app": {"level": "INFO"},
        "app.observability": {"handlers": ["requests"], "propagate": False},
        "gunicorn.error": {"level": "INFO", "handlers": ["rest"], "propagate": False},
        "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
    },
}


def on_starting(server):
    """Refuse a second process: each would hold the network once more and count metrics and limits for itself."""
    if server.cfg.workers != 1:
        sys.exit("One process serves the site; add containers instead of workers. docs/operate/running.md says how.")


def post_worker_init(worker):
    """Keep a thread that no upload can take, and say where the site is once it can answer, not when the port opens."""
    if worker.wsgi.extensions["config"].uploads >= worker.cfg.threads:
        must_be = f"below THREADS, {worker.cfg.threads}"
        refuse_to_start(ModelStoreError("setting_invalid", variable="SKIN_UPLOADS", must_be=must_be))
    worker.log.info("Ready: %s", ", ".join(map(str, worker.sockets)))
