"""An honest API of shipping orders behind an unruly wire: whole answers in odd forms, broken ones, silent closings."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections import Counter
from email.utils import formatdate
from typing import Any

from tests.behaviour.adversary.server import Adversary, Reply, read_request


def _raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKERS = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress, "raw deflate": _raw_deflate}
PAGE = b"<html><head><title>Request blocked</title></head></html>"
WHOLE = ("plain", *PACKERS, "chunked gzip", "until closed", "large header", "300 headers")
"""Forms of a whole answer."""
BROKEN = ("cut gzip", "cut chunked gzip", "cut deflate", "cut body", "endless header", "no answer", "reset")
"""Forms of an answer to what was carried out, none of which shows that."""
HEADERS = {
    "large header": {"Set-Cookie": "a=" + "b" * 20_000},
    "300 headers": {f"X-{number}": "v" for number in range(300)},
    "endless header": {"X-Endless": "e" * 100_000},
}
RESET = (1, 13, b"\1\0\0\0\0\0\0\0")
"""The socket option by which closing resets the connection."""
ENDINGS = ("silent", "later", "reset", "408")
"""How connections end behind a whole answer, without a word before."""
PHASE = 150
"""Requests after which the way in which connections end may change."""
LIVES = (3600, "3600", None, "2026-12-01T00:00:00Z", 1e12)
REFUSALS = ("1000000000", "Sun, 01 Nov 2099 00:00:00 GMT", "30000", "-1", "nan", "0", "")


class Unruly(Adversary):
    """Keeps the truth, and of each reference whether its answer went out whole."""

    def __init__(self, seed: int, *, share_broken: float = 0.08) -> None:
        super().__init__((), seed=seed, share_lost=0.0)
        self.told: dict[str, str] = {}
        """By reference, what became of the last request that arrived: ``whole``, or how it was broken."""
        self.happened = Counter[str]()
        self._broken_share = share_broken
        self._ending = ""
        self._count = 0
        self._tokens = 0
        self._revoked: set[str] = set()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: dict[str, Any]
    ) -> bool:
        method, target, headers, body = await read_request(reader)
        self._count += 1
        if self._count % PHASE == 0:
            self._ending = self.rng.choice(("", "", *ENDINGS))
        if target == "/token":
            status, content, more = self._token()
            return await self._deliver(writer, "plain", status, content, more)
        reference = json.loads(body)["reference"] if method == "POST" else ""
        refused = self._refusal(headers.get("authorization", ""), reference)
        if refused is not None:
            return await self._deliver(writer, "plain", *refused)
        breaks = self.rng.random() < self._broken_share
        if breaks and self.rng.random() < 0.3:
            self.told[reference] = "vanished"
            self.happened["vanished"] += 1
            return False
        reply = self._reply(method, target, headers, body, connection)
        content = json.dumps(reply.body).encode()
        form = self.rng.choice(BROKEN if breaks else WHOLE)
        # A reset may destroy what has not been read yet.
        self.told[reference] = form if breaks else "reset behind it" if self._ending == "reset" else "whole"
        return await self._deliver(writer, form, reply.status, content, self._named(reply))

    def _named(self, reply: Reply) -> dict[str, str]:
        return {"Content-Type": "application/json", "Date": formatdate(self.now(), usegmt=True)} | reply.headers

    def _token(self) -> tuple[int, bytes, dict[str, str]]:
        self._tokens += 1
        if self.rng.random() < 0.3:
            self.happened["token endpoint blocked"] += 1
            status = self.rng.choice((200, 400, 403, 503))
            return status, PAGE, {"Content-Type": "text/html"}
        given = {"access_token": f"token-{self._tokens}", "expires_in": self.rng.choice(LIVES)}
        return 200, json.dumps(given).encode(), {"Content-Type": "application/json"}

    def _refusal(self, authorization: str, reference: str) -> tuple[int, bytes, dict[str, str]] | None:
        """An answer in place of carrying it out, if there is to be one."""
        chance = self.rng.random()
        if chance < 0.0005:
            self._revoked.add(authorization)
        if authorization in self._revoked:
            self.happened["token revoked"] += 1
            return 401, b"{}", {"Content-Type": "application/json"}
        if chance > 0.9995:
            self.happened["429"] += 1
            return 429, b"", {"Retry-After": self.rng.choice(REFUSALS)}
        if chance > 0.994:
            self.happened["redirected"] += 1
            self.told[reference] = "redirected"
            return 307, b"", {"Location": "https://elsewhere.example/seller/v3"}
        return None

    async def _deliver(
        self, writer: asyncio.StreamWriter, form: str, status: int, content: bytes, named: dict[str, str]
    ) -> bool:
        """Send an answer in this form; whether the connection goes on."""
        self.happened[form] += 1
        version, cut_at = "HTTP/1.1", len(content) // 2 if form == "cut body" else None
        named |= HEADERS.get(form, {})
        if form == "no answer":
            return False
        if form == "reset":
            writer.get_extra_info("socket").setsockopt(*RESET)
            return False
        coding = form.removeprefix("cut ").removeprefix("chunked ")
        if coding in PACKERS:
            content = PACKERS[coding](content)
            named["Content-Encoding"] = coding.removeprefix("raw ")
            if form.startswith("cut "):
                content = content[: -self.rng.randint(1, len(content) - 1)]
        if form.endswith("chunked gzip"):
            named["Transfer-Encoding"] = "chunked"
            content = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content) if content else b"0\r\n\r\n"
        elif form == "until closed" and content:
            version = self.rng.choice(("HTTP/1.0", "HTTP/1.1"))
            named["Connection"] = "close"
        else:
            named["Content-Length"] = str(len(content))
        told = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        writer.write(f"{version} {status} Told\r\n{told}\r\n".encode("latin-1") + content[:cut_at])
        await writer.drain()
        if form in ("until closed", "cut body", "endless header"):
            writer.close()  # in its own time, so that all of it arrives
            await writer.wait_closed()
            return False
        return await self._end(writer)

    async def _end(self, writer: asyncio.StreamWriter) -> bool:
        """End the connection behind an answer, if this is the time for it; whether it goes on."""
        if not self._ending:
            return True
        self.happened[f"ended: {self._ending}"] += 1
        if self._ending == "reset":
            writer.get_extra_info("socket").setsockopt(*RESET)
        elif self._ending != "silent":
            await asyncio.sleep(0.002)
        if self._ending == "408":
            writer.write(b"HTTP/1.1 408 Request Time-out\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        if self._ending != "reset":
            writer.close()
            await writer.wait_closed()
        return False
