# SPDX-License-Identifier: Apache-2.0
"""One cache: when it lists, when it watches on, and how long it waits.

Each story is played in a time of its own, against an API server whose watches do what
the story tells them, in their order; the last of them stays open.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, cast

import pytest
from attrs import define, field

from mpijob.loose import Manifest
from mpijob_operator.controller import kinds
from mpijob_operator.controller.api import Api, Unreachable
from mpijob_operator.controller.kinds import Watched
from mpijob_operator.controller.reflector import (
    BARREN_MAX,
    FIRST_PAUSE_S,
    PAUSE_MAX_S,
    REFRESH_S,
    Reflector,
)
from tests.electing import FreeTime

pytestmark = pytest.mark.rule("B8.2")

PODS = kinds.CHILDREN[0]
# Longer than any pause, and shorter than what a story would wait for in vain.
LATER_S = 100.0

Event = tuple[str, Manifest]
Act = Event | float | Exception
"""What a watch does: show an event, let time pass, or break off."""


def pod(version: int, name: str = "a") -> Manifest:
    return {"metadata": {"name": name, "resourceVersion": str(version)}}


def added(version: int, name: str = "a") -> Event:
    return "ADDED", pod(version, name)


def error(code: int) -> Event:
    return "ERROR", {"kind": "Status", "code": code, "message": "no"}


BROKEN = Unreachable(0, "broke off")


@define
class Line:
    """A watch, as the story has it."""

    acts: tuple[Act, ...]
    closed: asyncio.Event = field(factory=asyncio.Event)

    async def events(self) -> AsyncIterator[Event]:
        for act in self.acts:
            match act:
                case Exception():
                    raise act
                case float() | int():
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self.closed.wait(), act)
                case _:
                    yield act
            if self.closed.is_set():
                raise BROKEN

    def close(self) -> None:
        self.closed.set()


OPEN: tuple[Act, ...] = (1e9,)


@define
class Story:
    """An API server with pods, one cache of them, and all that was asked and told."""

    watches: list[tuple[Act, ...] | Unreachable] = field(
        factory=list[tuple[Act, ...] | Unreachable]
    )
    lists_fail: int = 0
    answers_in_s: float = 0.0
    version: int = 10
    # The time of each request, and what it was: "list", or "watch" and from where.
    asked: list[tuple[float, str]] = field(factory=list[tuple[float, str]])
    told: list[str] = field(factory=list[str])
    reflector: Reflector = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.reflector = Reflector(
            cast("Api", self), PODS, "", self, self.now, lambda: 0.0
        )

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def words(self) -> list[str]:
        """What was asked, in its order."""
        return [word for _, word in self.asked]

    @property
    def pauses(self) -> list[float]:
        """The seconds from each request to the next."""
        times = [at for at, _ in self.asked]
        return [round(b - a, 3) for a, b in itertools.pairwise(times)]

    def _ask(self, word: str) -> None:
        self.asked.append((self.now(), word))

    # --- The API server ---------------------------------------------------------------

    async def read_all(
        self, path: str, query: Mapping[str, str], accept: str
    ) -> tuple[list[Manifest], str]:
        del path, accept
        assert "resourceVersion" not in query, "it may go back in time"
        self._ask("list")
        await asyncio.sleep(self.answers_in_s)
        if self.lists_fail:
            self.lists_fail -= 1
            raise Unreachable(503, "not now")
        return [pod(self.version)], str(self.version)

    @contextlib.asynccontextmanager
    async def watch(
        self, path: str, query: Mapping[str, str], accept: str, silence_s: float
    ) -> AsyncGenerator[Line]:
        del path, accept, silence_s
        assert query["allowWatchBookmarks"] == "true"
        self._ask(f"watch {query['resourceVersion']}")
        acts = self.watches.pop(0) if self.watches else OPEN
        await asyncio.sleep(self.answers_in_s)
        if isinstance(acts, Unreachable):
            raise acts
        yield Line(acts)

    # --- The sink ---------------------------------------------------------------------

    def replaced(self, kind: Watched, namespace: str, items: Any) -> None:  # noqa: ANN401 - any iterable.
        del kind, namespace
        self.told.append(f"replaced {len([*items])}")

    def changed(self, kind: Watched, value: Manifest) -> None:
        assert (value["apiVersion"], value["kind"]) == kind.key
        self.told.append(f"changed {value['metadata']['name']}")

    def gone(self, kind: Watched, value: Manifest) -> None:
        del kind
        self.told.append(f"gone {value['metadata']['name']}")


def play(
    story: Story,
    meanwhile: Callable[[], Coroutine[Any, Any, None]] | None = None,
    seconds: float = LATER_S,
) -> Story:
    """Let the cache work for so long, beside what else happens; return the story."""

    async def played() -> None:
        working = asyncio.create_task(story.reflector.run())
        if meanwhile is not None:
            await meanwhile()
        await asyncio.sleep(seconds)
        assert not working.done()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)

    with asyncio.Runner(loop_factory=FreeTime) as runner:
        runner.run(played())
    return story


# --- What leads to a list, and what does not -----------------------------------------


def test_it_lists_and_then_takes_in_what_happens() -> None:
    gone = ("DELETED", pod(12))
    story = play(Story([(added(11), ("MODIFIED", pod(11, "b")), gone, *OPEN)]))
    assert story.words == ["list", "watch 10"]
    assert story.told == ["replaced 1", "changed a", "changed b", "gone a"]
    assert story.reflector.progress.version == "12"


@pytest.mark.parametrize(
    "end",
    [
        pytest.param((), id="the server ends it"),
        pytest.param((BROKEN,), id="it breaks off"),
        pytest.param((error(500),), id="an error of the server's"),
    ],
)
def test_a_watch_that_ends_is_followed_by_one_from_where_it_was(
    end: tuple[Act, ...],
) -> None:
    story = play(Story([(added(11), 30.0, added(15), *end)]))
    assert story.words == ["list", "watch 10", "watch 15"]
    assert story.told == ["replaced 1", "changed a", "changed a"]


def test_bookmarks_say_from_where_to_go_on_and_nothing_else() -> None:
    bookmark = ("BOOKMARK", {"metadata": {"resourceVersion": "99"}})
    story = play(Story([(30.0, bookmark, BROKEN)]))
    assert story.words[-1] == "watch 99"
    assert story.told == ["replaced 1"]


@pytest.mark.parametrize("code", [0, 401, 403, 429, 500, 503, 504])
def test_a_watch_that_cannot_be_opened_is_tried_again_without_a_list(
    code: int,
) -> None:
    story = play(Story([(added(11), BROKEN), Unreachable(code, "no")]))
    assert story.words == ["list", "watch 10", "watch 11", "watch 11"]


@pytest.mark.parametrize("code", [400, 410])
@pytest.mark.parametrize("how", ["http", "event"])
def test_a_version_that_is_none_any_more_leads_to_a_list(code: int, how: str) -> None:
    refusal = Unreachable(code, "too old") if how == "http" else (error(code),)
    story = play(Story([(added(11), BROKEN), refusal]))
    assert story.words == ["list", "watch 10", "watch 11", "list", "watch 10"]


def test_a_watch_that_stays_silent_where_bookmarks_are_due_leads_to_a_list() -> None:
    silence = Unreachable(0, "broke off")
    silence.__cause__ = TimeoutError()
    story = play(Story([(30.0, silence)]))
    assert story.words == ["list", "watch 10", "list", "watch 10"]


def test_an_older_list_is_the_present() -> None:
    story = Story([(added(30), 20.0, error(410))], version=20)

    async def restored() -> None:
        await asyncio.sleep(10)
        story.version = 5  # As after a backup of etcd was brought back.

    play(story, restored)
    assert story.words == ["list", "watch 20", "list", "watch 5"]
    assert story.reflector.progress.version == "5"


# --- A list that is asked for ---------------------------------------------------------


@pytest.mark.parametrize("at_once", [True, False])
def test_who_asks_for_a_list_gets_one_without_a_pause(at_once: bool) -> None:
    story = Story()

    async def asks() -> None:
        await asyncio.sleep(REFRESH_S)
        story.reflector.refresh(at_once=at_once)

    play(story, asks)
    assert story.words == ["list", "watch 10", "list", "watch 10"]
    assert story.pauses[1:] == [REFRESH_S, 0.0]
    assert story.reflector.progress.listed == REFRESH_S


def test_a_cache_that_is_new_is_listed_anew_only_at_once() -> None:
    story = Story()

    async def asks() -> None:
        await asyncio.sleep(1)
        story.reflector.refresh()
        await asyncio.sleep(1)
        assert story.words == ["list", "watch 10"]
        story.reflector.refresh(at_once=True)

    play(story, asks)
    assert story.words == ["list", "watch 10", "list", "watch 10"]


@pytest.mark.parametrize(
    ("when", "words"),
    [
        pytest.param(1.0, ["list", "list", "watch 10"], id="listed"),
        pytest.param(3.0, ["list", "watch 10", "list", "watch 10"], id="opened"),
    ],
)
def test_who_asks_while_an_answer_is_awaited_is_not_forgotten(
    when: float, words: list[str]
) -> None:
    story = Story(answers_in_s=2.0)

    async def asks() -> None:
        await asyncio.sleep(when)
        story.reflector.refresh(at_once=True)
        assert story.reflector.wants_list

    play(story, asks)
    assert story.words == words
    assert not story.reflector.wants_list


def test_many_who_ask_do_not_shorten_the_pauses_of_a_server_in_trouble() -> None:
    story = Story(lists_fail=1_000)

    async def asks() -> None:
        for _ in range(200):
            await asyncio.sleep(0.5)
            story.reflector.refresh()

    play(story, asks)
    assert story.pauses == play(Story(lists_fail=1_000), seconds=200).pauses


def test_one_who_cannot_wait_ends_a_pause() -> None:
    story = Story(lists_fail=6)

    async def asks() -> None:
        await asyncio.sleep(40)
        before = len(story.asked)
        story.reflector.refresh(at_once=True)
        await asyncio.sleep(0.1)
        assert len(story.asked) == before + 2
        assert story.reflector.synced

    play(story, asks)


# --- How long it waits ----------------------------------------------------------------


def test_each_failure_in_a_row_is_waited_for_longer_up_to_half_a_minute() -> None:
    story = play(Story(lists_fail=100), seconds=300)
    half = PAUSE_MAX_S / 2  # The other half is at random, none of it here.
    assert story.pauses[:7] == [FIRST_PAUSE_S, 1, 2, 4, 8, half, half]
    assert not story.reflector.synced


def test_a_watch_that_ends_at_once_again_and_again_is_opened_ever_less_often() -> None:
    story = play(Story([()] * 100), seconds=60)
    asked = [at for at, word in story.asked if word != "list"]
    pauses = [b - a for a, b in itertools.pairwise(asked)]
    assert pauses[:5] == [FIRST_PAUSE_S, 1, 2, 4, 8]


@pytest.mark.parametrize("end", [(), (BROKEN,), (error(500),)])
def test_where_no_watch_comes_through_lists_must_do(end: tuple[Act, ...]) -> None:
    story = play(Story([end] * 100), seconds=60)
    thrice = ["watch 10"] * BARREN_MAX
    assert story.words[:9] == ["list", *thrice, "list", *thrice, "list"]


def test_lines_that_nobody_watches_for_are_nothing_shown() -> None:
    """Whatever stands between may answer 200, with a page of its own."""
    page: tuple[Act, ...] = (("", {}), ("", {}))
    story, words = Story([page] * BARREN_MAX), ["list", *["watch 10"] * BARREN_MAX]
    play(story)
    assert story.words[: BARREN_MAX + 2] == [*words, "list"]
    assert story.told == ["replaced 1"] * 2


def test_a_watch_that_shows_something_may_be_brief_ever_again() -> None:
    story = play(Story([(added(number), BROKEN) for number in range(11, 40)]))
    assert story.words.count("list") == 1


def test_a_version_refused_again_and_again_is_listed_ever_less_often() -> None:
    story = play(Story([(error(410),)] * 100), seconds=60)
    assert story.words.count("list") < 10


@pytest.mark.parametrize(
    ("good", "lasts_s"),
    [
        pytest.param(added(11), 0.0, id="it shows something"),
        pytest.param(2.0, 2.0, id="it lasts"),
    ],
)
def test_after_a_watch_that_went_well_the_pause_is_short(
    good: Act, lasts_s: float
) -> None:
    trouble: list[tuple[Act, ...] | Unreachable] = [Unreachable(503, "no")] * 6
    story = play(Story([*trouble, (good, BROKEN)]))
    assert story.pauses[-1] == lasts_s + FIRST_PAUSE_S


def test_chance_spreads_clients_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 1.0)
    story = Story(lists_fail=1)
    story.reflector = Reflector(cast("Api", story), PODS, "", story, story.now)
    play(story)
    assert story.pauses[0] == 2 * FIRST_PAUSE_S
