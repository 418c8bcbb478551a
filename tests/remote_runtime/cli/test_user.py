"""``farcell user``: on the database, while no gateway runs."""

from __future__ import annotations

import sqlite3

import pytest
from farcell_command import Person


def test_a_token_is_printed_alone_and_kept_as_a_hash(person: Person, typed):
    answer = typed("user", "add", "anna")
    token = answer.out.strip()
    assert token.startswith("fc_")
    assert token not in answer.err
    files = [path.read_bytes() for path in (person.folder / "serve").glob("gateway.sqlite*")]
    assert files
    assert not any(token.encode() in content for content in files)


def listed(typed) -> list[list[str]]:
    return [line.split() for line in typed("user", "list").out.splitlines()[1:]]


def test_users_are_listed_with_their_roles(typed):
    typed("user", "add", "anna")
    typed("user", "add", "olga", "--operator")
    assert listed(typed) == [["anna", "user"], ["olga", "operator"]]
    typed("user", "role", "anna", "operator")
    typed("user", "remove", "olga")
    assert listed(typed) == [["anna", "operator"]]


def test_another_token_is_added_or_replaces_those_before(person: Person, typed):
    def tokens() -> int:
        with sqlite3.connect(person.folder / "serve" / "gateway.sqlite") as connection:
            count: int = connection.execute("SELECT count(*) FROM tokens").fetchone()[0]
        connection.close()
        return count

    typed("user", "add", "anna")
    typed("user", "token", "anna")
    assert tokens() == 2
    typed("user", "token", "anna", "--replace")
    assert tokens() == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["add", "anna"], "the user anna exists"),
        (["add", "../anna"], "'../anna' is not a user name"),
        (["token", "ben"], "there is no user 'ben'; there are: anna"),
        (["remove", "ben"], "there is no user 'ben'; there are: anna"),
        (["role", "anna", "queen"], "there is no role 'queen'; there are: user, operator"),
        (["list", "--database-url", "nonsense"], "the gateway's database can't be opened: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_can_not_be_done_is_told_in_a_sentence(typed, words, sentence):
    typed("user", "add", "anna")
    assert typed("user", *words).sentence.startswith(sentence)
