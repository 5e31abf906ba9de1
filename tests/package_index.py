"""A package index on loopback with one small wheel, which can be cut off, and the pip settings that lead to it."""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MEMBER = "tiny_model/tiny.Q4_1.gguf"


def wheel(version: str, members: Mapping[str, bytes], name: str = "tiny_model") -> bytes:
    """A wheel of a package that holds files and nothing to run."""
    info = f"{name}-{version}.dist-info"
    texts: dict[str, str | bytes] = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, data in {**texts, **members}.items():
            archive.writestr(path, data)
    return stream.getvalue()


@dataclass
class Index:
    """What is on offer: file name → bytes. The next ``cut`` answers with a file stop in its middle."""

    files: dict[str, bytes] = field(default_factory=dict)
    cut: int = 0
    asked: list[str] = field(default_factory=list)
    url: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """pip asks here and nowhere else."""
        return {
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_INDEX_URL": f"{self.url}/simple",
            "PIP_FIND_LINKS": "",
            "PIP_RETRIES": "0",
            "PIP_DEFAULT_TIMEOUT": "5",
        }


@contextmanager
def serve() -> Iterator[Index]:
    """Serve an index while the block runs."""
    index = Index()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.asked.append(self.path)
            name = self.path.rpartition("/")[2]
            if name in index.files:
                self.answer(index.files[name], "application/octet-stream", cut=index.cut > 0)
                index.cut -= 1
                return
            project = self.path.strip("/").split("/")[-1].replace("-", "_")
            links = [f'<a href="/files/{file}">{file}</a>' for file in index.files if file.startswith(f"{project}-")]
            if not links:
                self.send_error(404)
                return
            self.answer(f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode(), "text/html", cut=False)

        def answer(self, body: bytes, kind: str, *, cut: bool) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if cut else body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    index.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
