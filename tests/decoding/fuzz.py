"""Fuzzing the decoder: byte mutations of the corpus, for as long as one likes.

    python -m tests.decoding.fuzz [--seconds 60] [--seed N] [FOLDER ...]

Whatever the bytes, decoding must end in time, raise nothing, write nothing but the files it names, and say of each file
what it is. And it must not be silent: an attachment that the standard library finds by name in a mutant, and we do not,
must come with a quarantine; such mutants are kept in the folder that is printed, for a person to judge.
"""

from __future__ import annotations

import argparse
import email
import hashlib
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ezcold_operators.decoding import Decoded, Options, decode

CORPUS = Path(__file__).parents[1] / "corpus" / "mails"
INTERESTING = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"--", b"=", b"==", b'"', b";", b":", b"\0", b"\xff", b"=?", b"?=", b"''", b"%",
    b"*0*=", b"Content-Type: multipart/mixed\r\n", b"Content-Type: message/rfc822\r\n",
    b"Content-Transfer-Encoding: base64\r\n", b"boundary=", b"filename=", b"begin 644 a\r\n", b" ", b"\t", b"(", b"\\",
)  # fmt: skip
SLOW = 5.0
"""Seconds of processor time, which a busy machine does not lengthen."""
EVERYTHING = Options(unpack=("mail", "outlook", "tnef", "smime", "archive", "uuencode"), want_body=True)


class Broken(AssertionError):
    """A mutant on which the decoder breaks a promise."""


def mutants(seeds: list[bytes], chance: random.Random) -> Iterator[bytes]:
    """Endless mutants: bytes changed, cut, doubled, swapped, spliced with another mail."""
    while True:
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.choice((1, 1, 2, 3, 8))):
            mutate(data, seeds, chance)
        yield bytes(data)


def mutate(data: bytearray, seeds: list[bytes], chance: random.Random) -> None:
    """One change in place."""
    at = chance.randrange(len(data) + 1)
    length = chance.choice((1, 1, 2, 4, 16, 64, 256))
    match chance.randrange(7):
        case 0:
            data[at : at + 1] = bytes([chance.randrange(256)])
        case 1:
            del data[at : at + length]
        case 2:
            data[at:at] = data[at : at + length]
        case 3:
            data[at:at] = chance.choice(INTERESTING)
        case 4:
            data[at : at + length] = chance.choice(INTERESTING)
        case 5:
            other = chance.choice(seeds)
            start = chance.randrange(len(other) + 1)
            data[at:at] = other[start : start + 4 * length]
        case _:
            lines = bytes(data).split(b"\n")
            first, second = chance.randrange(len(lines)), chance.randrange(len(lines))
            lines[first], lines[second] = lines[second], lines[first]
            data[:] = b"\n".join(lines)


def check(data: bytes, folder: Path) -> Decoded:
    """Decode one mutant and hold the answer against every promise.

    :raises Broken: a promise is broken.
    """
    file, work = folder / "raw", folder / "work"
    file.write_bytes(data)
    work.mkdir()
    start = time.process_time()
    answer = decode(file, work, EVERYTHING)
    if time.process_time() - start > SLOW:
        raise Broken(f"took {time.process_time() - start:.1f} s")
    if file.read_bytes() != data:
        raise Broken("the raw item was changed")
    for one in answer.documents:
        content = one.file.read_bytes()
        if (len(content), hashlib.sha256(content).hexdigest()) != (one.size, one.sha256):
            raise Broken(f"{one.path} is not what its row says")
        if one.name is not None and (not one.name or one.name != one.name.strip() or "\n" in one.name):
            raise Broken(f"{one.path} has the name {one.name!r}")
    if {one.file for one in answer.documents} != set(work.iterdir()):
        raise Broken("files and documents differ")
    shutil.rmtree(work)
    return answer


def silent(data: bytes, answer: Decoded) -> list[str]:
    """Names of attachments that the standard library reads and we neither give nor complain about."""
    if answer.quarantined is not None:
        return []
    ours = Counter(one.sha256 for one in answer.documents)
    theirs: list[tuple[str, str]] = []
    for part in email.message_from_bytes(data).walk():
        try:
            name = part.get_filename()
            content = part.get_payload(decode=True)
        except ValueError:
            # the standard library cannot say what this is: nothing to compare with
            continue
        if not part.is_multipart() and name and isinstance(content, bytes):
            theirs.append((str(name), hashlib.sha256(content).hexdigest()))
    lost = []
    for name, digest in theirs:
        if ours[digest]:
            ours[digest] -= 1
        else:
            lost.append(name)
    return lost if len(theirs) > len(answer.documents) else []


def fuzz(seconds: float, seed: int, seeds: list[bytes], kept: Path | None = None) -> tuple[int, int]:
    """Run for so many seconds.

    :return: mutants tried, mutants in which the standard library found more than we did.
    :raises Broken: with the seed and the number of the mutant, which is then in `kept`.
    """
    chance = random.Random(seed)
    tried = more = 0
    until = time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="ezcold-fuzz-") as name:
        for data in mutants(seeds, chance):
            if time.monotonic() > until:
                return tried, more
            tried += 1
            try:
                answer = check(data, Path(name))
            except Exception as error:
                if kept is not None:
                    (kept / f"broken-{seed}-{tried}").write_bytes(data)
                raise Broken(f"seed {seed}, mutant {tried}: {type(error).__name__}: {error}") from error
            if silent(data, answer):
                more += 1
                if kept is not None:
                    (kept / f"silent-{seed}-{tried}").write_bytes(data)
    return tried, more


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("folders", type=Path, nargs="*", default=[CORPUS])
    options = parser.parse_args()
    files = [file for folder in options.folders for file in sorted(folder.rglob("*")) if file.suffix != ".json"]
    seeds = [file.read_bytes() for file in files if file.is_file() and file.stat().st_size < 200_000]
    kept = Path(tempfile.mkdtemp(prefix="ezcold-fuzz-kept-"))
    print(f"seed {options.seed}, {len(seeds)} mails, kept: {kept}")
    tried, more = fuzz(options.seconds, options.seed, seeds, kept)
    print(f"{tried} mutants, in {more} of which the standard library found more than we did")


if __name__ == "__main__":
    main()
