"""Writing to a pipe that nobody reads, or that somebody reads late."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from cogento.nonblocking_output import MAX_BUFFERED_BYTES, NonBlockingStream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINE = "x" * 1023 + "\n"
PIPE_BYTES = 65_536


class Pipe:
    """A pipe of usual size with a stream at one end."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.reading, False)
        self.stream = NonBlockingStream(self.writing)

    def fill(self) -> None:
        """Write until nothing more fits into the pipe, and no line is kept."""
        for _ in range(PIPE_BYTES // len(LINE)):
            self.stream.write(LINE)

    def read(self) -> str:
        return os.read(self.reading, 10 * MAX_BUFFERED_BYTES).decode()

    def read_to_the_end(self) -> str:
        """Read, and let the stream write what it buffered, until nothing comes any more."""
        read = ""
        with suppress(BlockingIOError):
            while True:
                read += self.read()
                self.stream.flush()
        return read

    def close(self) -> None:
        os.close(self.reading)
        os.close(self.writing)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


def test_a_line_is_there_at_once(pipe: Pipe) -> None:
    pipe.stream.write("hello\n")
    assert pipe.read() == "hello\n"


def test_a_line_that_does_not_fit_comes_with_a_later_one(pipe: Pipe) -> None:
    pipe.fill()
    pipe.stream.write("kept\n")
    pipe.read()
    pipe.stream.write("next\n")
    assert pipe.read() == "kept\nnext\n"


def test_a_long_line_is_written_in_parts_and_stays_whole(pipe: Pipe) -> None:
    long = "y" * (PIPE_BYTES + 5_000) + "\n"
    pipe.stream.write(long)
    first = pipe.read()
    pipe.stream.flush()
    assert first + pipe.read() == long


def test_beyond_the_bound_lines_are_dropped_and_counted(pipe: Pipe) -> None:
    pipe.fill()
    pipe.stream.write("z" * (MAX_BUFFERED_BYTES - 1) + "\n")
    pipe.stream.write("dropped\n")
    pipe.stream.write("dropped too\n")
    read = pipe.read_to_the_end()
    assert "dropped" not in read.splitlines()
    told = json.loads(read.splitlines()[-1])
    assert (told["event"], told["count"]) == ("log_lines_dropped", 2)


def test_a_reader_that_has_gone_makes_no_trouble(pipe: Pipe) -> None:
    os.close(pipe.reading)
    pipe.stream.write("nobody hears this\n")
    pipe.reading = os.dup(pipe.writing)


def test_those_who_share_the_pipe_still_block(pipe: Pipe) -> None:
    assert os.get_blocking(pipe.writing)


def test_a_file_is_written_where_its_descriptor_stands(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb", buffering=0) as log:
        log.write(b"before\n")
        NonBlockingStream(log.fileno()).write("after\n")
    assert (tmp_path / "log").read_text() == "before\nafter\n"


def test_what_is_no_unicode_is_written_all_the_same(pipe: Pipe) -> None:
    pipe.stream.write("\udc80\n")
    assert pipe.read() == "\\udc80\n"
