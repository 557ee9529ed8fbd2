"""Web server. HOST, PORT, WEB_CONCURRENCY and WEB_THREADS come from the environment."""

import os
from pathlib import Path

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
worker_class = "deploy.gunicorn_worker.PacedWorker"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "24"))
# Renewed now and then: a slow leak in a C library never grows for weeks. Jitter keeps them from renewing together.
max_requests = 2000
max_requests_jitter = 200
timeout = 60
graceful_timeout = 20
keepalive = 5
preload_app = True
limit_request_line = 4094
# The heartbeat file must not wait for a slow disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None
control_socket_disable = True
