"""S3 on loopback: moto's server, in a process of its own. Its Flask leaves objects in a process that vLLM, looking through all
modules when it loads a model, stumbles over."""

import contextlib
import importlib.util
import subprocess
import sys
from collections.abc import Iterator

import fsspec
import pytest

SECRET = "a-secret-of-the-tests"
_SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(*server.get_host_and_port(), sep=":", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def opened(bucket: str) -> Iterator[None]:
    """Have S3's clients speak to a server of their own, which has one empty bucket; skip where moto is not installed."""
    if importlib.util.find_spec("moto") is None:
        pytest.skip("moto is not installed")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-c", _SERVER], text=True, **pipes) as server:  # type: ignore[call-overload]
        try:
            address = server.stdout.readline().strip()
            with pytest.MonkeyPatch.context() as patch:
                for name, value in {
                    "AWS_ENDPOINT_URL": f"http://{address}", "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": SECRET,
                    "AWS_DEFAULT_REGION": "us-east-1",
                }.items():  # fmt: skip
                    patch.setenv(name, value)
                fsspec.filesystem("s3").clear_instance_cache()
                fsspec.filesystem("s3").mkdir(bucket)
                yield
            fsspec.filesystem("s3").clear_instance_cache()
        finally:
            server.kill()
