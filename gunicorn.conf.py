"""How the site is served. Every environment variable read here is explained in docs/settings.md.

Anything else gunicorn offers can be given in its own variable GUNICORN_CMD_ARGS.
"""

import os
from pathlib import Path

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"

# One process holds one copy of the network; threads read uploads and write pages while it computes. No preload:
# TensorFlow's threads do not survive the fork. docs/decisions/0002-one-worker-with-threads.md
workers = 1
worker_class = "gunicorn_worker.HardenedWorker"  # gthread, hardened against slow clients
threads = int(os.environ.get("THREADS", "16"))
preload_app = False
# TensorFlow logs a missing GPU as an error; its real failures reach us as exceptions.
raw_env = ["TF_CPP_MIN_LOG_LEVEL=3"]

timeout = 120  # seconds without a sign of life; loading and verifying the bundle on a busy machine is the longest
graceful_timeout = 30  # seconds that requests under way get after SIGTERM
keepalive = 5  # seconds; a result page fetches its style sheet and script over the same connection

limit_request_line = 2048  # bytes; our longest address is far below
limit_request_fields = 50
limit_request_field_size = 4096  # bytes; browsers' longest header here is the session cookie
# Which proxy is believed is said once, by SKIN_PROXIES; gunicorn would believe whoever sits on the same machine.
forwarded_allow_ips = ""

# The worker's heartbeat file in memory: on a disk, a slow write would look like a dead worker.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None
# Nothing listens beside the site itself, and no file is written into the home folder.
control_socket_disable = True

# The log names no visitor: no address, no referrer, no browser. RAW_URI stays percent-encoded, so no line is forged.
accesslog = "-"
access_log_format = '%(t)s %(m)s "%({raw_uri}e)s" %(s)s %(b)s bytes %(M)s ms'


def post_worker_init(worker):
    """Say where the site is once it can answer, not when the port opens."""
    worker.log.info("Ready: %s", ", ".join(map(str, worker.sockets)))
