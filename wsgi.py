"""What gunicorn serves: `gunicorn --config gunicorn.conf.py wsgi`."""

import sys

from app import create_app
from model_store.errors import ModelStoreError

# gunicorn stops for good on this exit status of a worker; on any other it would start the next one, for ever.
WORKER_BOOT_ERROR = 3

try:
    application = create_app()
except ModelStoreError as error:
    print(f"The site does not start: {error}. See docs/operate.md.", file=sys.stderr)
    sys.exit(WORKER_BOOT_ERROR)
