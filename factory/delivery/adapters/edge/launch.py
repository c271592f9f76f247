"""One run of one release: start it, prove who answers, stop all of it, find it again after a crash of the keeper."""

import fcntl
import hmac
import json
import os
import secrets
import select
import shutil
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import child, wire
from .process import birth, boot_id, read_json, sweep, write_private
from .table import Spec, key_of, parse_spec

PASSED_ON = ("PATH", "LANG", "TZ")
LOG_BYTES = 5_000_000
STEADY_S = 10.0  # who ran for so long did not fall over its own start
PROBE_S, PROBE_EVERY_S = 5.0, 0.2


def address_of(run: Path, key: str) -> str:
    """The unix socket of a launch: short, because such paths end at 107 bytes, and nobody else's."""
    return str(run / f"{key.rpartition('.')[2]}.sock")


def pause_s(falls: int) -> float:
    """How long the next start waits after so many falls in a row: users of the first wait for nobody, five seconds at most."""
    return 0.0 if falls <= 1 else min(5.0, 0.1 * 2 ** min(falls - 2, 6))


class Launch:
    """State of one launch; everything needed to adopt it lies in its folder."""

    def __init__(self, home: Path, run: Path, *, product: str, spec: Spec) -> None:
        self.product, self.spec, self.key = product, spec, key_of(product, spec)
        self.folder, self.address = home / "launches" / self.key, address_of(run, self.key)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pid: int | None = None
        self.pidfd: int | None = None
        self.token: str | None = None
        self.ready = self.adopted = False
        self.crashes = self.falls = 0
        self.began = time.monotonic()
        self.last_exit: int | None = None
        self.evidence, self.last_crash = _no("It was not started yet."), ""
        self.waits_since, self.probe_at, self.retry_at = time.monotonic(), 0.0, 0.0
        self.leaving: float | None = None
        self.killed: float | None = None

    @classmethod
    def found(cls, home: Path, run: Path, *, folder: Path) -> "Launch | None":
        """The running launch a dead keeper left in a folder; None when nothing of it lives."""
        order = read_json(folder / "order.json")
        if order is None:
            return None
        launch = cls(home, run, product=order["product"], spec=parse_spec(order["spec"]))
        return launch if launch.adopt() else None

    def start(self) -> None:
        """Start it once; the lock in child.py makes a second one impossible."""
        self.token = secrets.token_hex(16)
        self.ready = self.adopted = False
        Path(self.address).unlink(missing_ok=True)
        own = {
            "HOME": str(self.folder),
            "PRODUCT_RELEASE": self.spec.release,
            "PRODUCT_PROOF_KEY": self.token,
        }
        order = {
            "lock": str(self.folder / "lock"),
            "token": self.token,
            "cwd": self.spec.cwd,
            "argv": [word.replace("{socket}", self.address) for word in self.spec.argv],
            "env": {n: os.environ[n] for n in PASSED_ON if n in os.environ} | self.spec.env | own,
            "product": self.product,
            "spec": asdict(self.spec),
        }
        write_private(self.folder / "order.json", order)
        log, flags = str(self.folder / "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self.pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", child.__file__, str(self.folder / "order.json")],
            {},
            setsid=True,
            file_actions=[  # a file, never a pipe to the keeper: its death would kill the product
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, flags, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
        )
        self.pidfd = os.pidfd_open(self.pid)
        self.began = time.monotonic()

    def adopt(self) -> bool:
        """Take over a run that another keeper began. False: nothing of it lives; what a dead leader left was killed."""
        held, who = self._read_lock()
        self.token, pid = who.get("token"), who.get("pid", 0)
        try:
            pidfd = os.pidfd_open(pid)
        except (OSError, ValueError):
            pidfd = None
        seen = birth(pid)  # after pidfd_open: what we verify is what we hold
        this_boot = who.get("boot") == boot_id()
        ours = this_boot and seen is not None and seen.start == who["start"]
        if held and pidfd is not None and ours and seen is not None and seen.state != "Z":
            self.pid, self.pidfd, self.adopted = pid, pidfd, True
            proof = self.folder / "proved"
            self.ready = proof.exists() and proof.read_text() == self.token
            return True
        if pidfd is not None:
            os.close(pidfd)
        # A session outlives its leader, and its number is nobody else's meanwhile; a reused pid means it is empty.
        self._sweep(pid if this_boot and (ours or seen is None) else None)
        return False

    def _read_lock(self) -> tuple[bool, dict[str, Any]]:
        """Whether a process of this launch lives, and what its leader wrote down."""
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = False
        except BlockingIOError:
            held = True
        finally:
            said = os.pread(lock, 4096, 0)
            os.close(lock)
        return held, json.loads(said or b"{}")

    def has_ended(self) -> bool:
        """True once when the leader has ended; its exit status stays None when it was not our child."""
        if self.pidfd is None or not select.select([self.pidfd], [], [], 0)[0]:
            return False
        try:
            done = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            done = None
        self.last_exit = None
        if done:
            self.last_exit = done.si_status if done.si_code == os.CLD_EXITED else -done.si_status
        os.close(self.pidfd)
        self._sweep(self.pid)
        self.pid = self.pidfd = None
        if self.ready:
            self.waits_since = time.monotonic()
        self.ready = False
        return True

    @property
    def is_unproved(self) -> bool:
        """It runs, shall go on, and did not prove itself since its start."""
        return self.pid is not None and not self.ready and self.killed is None

    def end(self, now: float) -> None:
        """Tell it to end; from now on it proves nothing, even if it is asked for again before it has ended."""
        self.killed, self.ready = now, False
        (self.folder / "proved").unlink(missing_ok=True)
        self.signal(signal.SIGTERM)

    def kill(self) -> None:
        """End all of it at once."""
        self.signal(signal.SIGKILL)
        self._sweep(self.pid)

    def note_crash(self, now: float) -> None:
        """Count an end nobody asked for; the next start follows at once, or waits longer after each fall in a row."""
        self.crashes += 1
        self.falls = 1 if now - self.began > STEADY_S else self.falls + 1
        self.retry_at = now + pause_s(self.falls)
        self.last_crash = f"It ended by itself ({self._exit_words()}). {self._last_words()}".strip()
        self.evidence = _no(self.last_crash)

    def _exit_words(self) -> str:
        if self.last_exit is None:
            return "exit status unknown"
        return f"signal {-self.last_exit}" if self.last_exit < 0 else f"exit code {self.last_exit}"

    def _last_words(self) -> str:
        try:
            with (self.folder / "log").open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - 2000))
                lines = log.read().decode(errors="replace").split("\n")
        except OSError:
            return ""
        said = [line.strip() for line in lines if line.strip()]
        return f"Its last words: {said[-1][:300]}" if said else ""

    def signal(self, number: int) -> None:
        """Signal the whole group; safe, because the held pidfd proves that the leader is still the one we know."""
        if self.pid is None or self.pidfd is None:
            return
        try:
            signal.pidfd_send_signal(self.pidfd, number)
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return

    def _sweep(self, session: int | None) -> None:
        if self.token:
            sweep(session=session, mark=f"PRODUCT_PROOF_KEY={self.token}".encode())

    async def probe(self) -> dict[str, Any]:
        """Ask with a nonce who answers; ready only when THIS process answers for THIS release and is well."""
        nonce, token, began = secrets.token_hex(16), self.token or "", time.monotonic()
        found = _no("")  # evidence is replaced whole: never half of two answers
        try:
            answer = await wire.ask(self.address, self._question(nonce), within_s=PROBE_S)
            said = _object(answer.body)
            found |= {"status": answer.status, "release": said.get("release") and str(said["release"])[:80]}
            found["why"] = self._doubt(answer, said=said, proof=_proof(token, f"{nonce}{self.spec.release}"))
        except OSError as error:
            found["why"] = f"No answer yet ({type(error).__name__}). {self.last_crash}".strip()
        except (ValueError, RecursionError) as error:
            found["why"] = f"No answer to a health question ({type(error).__name__})."
        if not found["why"] and (token != self.token or self.killed is not None):
            found["why"] = "It ended while it was asked."
        if not found["why"]:
            found |= {"ok": True, "why": "It proved itself."}
            (self.folder / "proved").write_text(token)
            self.ready = True
        self.probe_at = time.monotonic() + PROBE_EVERY_S
        self.evidence = found | {"took_ms": round((time.monotonic() - began) * 1000, 1)}
        return self.evidence

    def _question(self, nonce: str) -> str:
        return f"{self.spec.health}{'&' if '?' in self.spec.health else '?'}nonce={nonce}"

    def _doubt(self, answer: wire.Answer, *, said: dict[str, Any], proof: str) -> str:
        """Why this answer proves nothing; empty when it proves all."""
        seen = birth(answer.peer)
        if seen is None or seen.session != self.pid:
            return f"Another process answers (pid {answer.peer})."
        if answer.status != 200:
            return f"{self.spec.health} answers {answer.status}."
        if said.get("release") != self.spec.release or not hmac.compare_digest(
            str(said.get("proof")).encode(), proof.encode()
        ):
            return "Not this launch: release or proof is wrong."
        return "" if said.get("ok") is True else "It says that it is not well."

    def rotate_log(self) -> None:
        """Copy and cut in place: the product keeps writing to the same open file, whoever is alive."""
        log = self.folder / "log"
        if log.exists() and log.stat().st_size > LOG_BYTES:
            shutil.copyfile(log, log.with_suffix(".1"))
            os.truncate(log, 0)

    def forget(self) -> None:
        """Remove what is left on disk of a launch that ended."""
        shutil.rmtree(self.folder, ignore_errors=True)
        Path(self.address).unlink(missing_ok=True)

    def report(self, now: float) -> dict[str, Any]:
        """What is true now; None means unknown."""
        late = not self.ready and now - self.waits_since > self.spec.start_s
        return {
            "product": self.product,
            "release": self.spec.release,
            "pid": self.pid,
            "address": self.address,
            "log": str(self.folder / "log"),
            "ready": self.ready,
            "late": late,
            "adopted": self.adopted,
            "leaving": self.leaving is not None,
            "crashes": self.crashes,
            "last_exit": self.last_exit,
            "evidence": self.evidence,
        }


def _no(why: str) -> dict[str, Any]:
    return {"ok": False, "why": why, "at": time.time(), "status": None, "release": None, "took_ms": None}


def _proof(token: str, told: str) -> str:
    return hmac.new(token.encode(), told.encode(), "sha256").hexdigest()


def _object(body: bytes) -> dict[str, Any]:
    said = json.loads(body) if body.lstrip().startswith(b"{") else {}
    return said if isinstance(said, dict) else {}
