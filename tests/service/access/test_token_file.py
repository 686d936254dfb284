"""Tokens of a file: drawn, shown once, kept as hashes, taken back."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from wetread.cli import main
from wetread.errors import RefusedInput
from wetread.service.access.people import NotLetIn, Person, Role
from wetread.service.access.token_file import TokenFile, add_token, listed, remove_tokens


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tokens.json"


def test_a_token_lets_its_owner_in(path):
    token = add_token(path, "ada", Role.REVIEWER, name="Lovelace^Ada", organisation="Clinic")
    assert TokenFile(path).person(token) == Person("ada", Role.REVIEWER, "Lovelace^Ada", "Clinic")


def test_the_file_holds_no_token_and_is_its_owners_alone(path):
    token = add_token(path, "ada", Role.READER)
    assert token not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0


def test_every_token_is_another(path):
    assert len({add_token(path, "ada", Role.READER) for _ in range(20)}) == 20


@pytest.mark.parametrize("wrong", ["", "x", "wetread_", "A" * 10_000, "\x00"])
def test_another_text_lets_nobody_in(path, wrong):
    add_token(path, "ada", Role.READER)
    with pytest.raises(NotLetIn):
        TokenFile(path).person(wrong)


def test_the_hash_from_the_file_lets_nobody_in(path):
    add_token(path, "ada", Role.READER)
    with pytest.raises(NotLetIn):
        TokenFile(path).person(json.loads(path.read_text())["tokens"][0]["sha256"])


def test_a_token_ends(path):
    token = add_token(path, "ada", Role.READER, days=-1)
    with pytest.raises(NotLetIn, match="expired"):
        TokenFile(path).person(token)


def test_a_token_that_was_taken_back_is_refused_at_once(path):
    token, access = add_token(path, "ada", Role.READER), None
    kept = add_token(path, "bo", Role.READER)
    access = TokenFile(path)
    assert access.person(token).login == "ada"
    assert remove_tokens(path, "ada") == 1
    with pytest.raises(NotLetIn):
        access.person(token)
    assert access.person(kept).login == "bo"


def test_a_file_that_others_may_read_is_refused(path):
    add_token(path, "ada", Role.READER)
    os.chmod(path, 0o644)
    with pytest.raises(RefusedInput, match="others may read"):
        TokenFile(path)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"tokens": [{}]}', '{"tokens": 3}', '{"tokens": [{"role": 1}]}'])
def test_another_file_is_refused_in_words(path, content):
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(RefusedInput, match="not a token file"):
        TokenFile(path)


def test_no_file_is_refused_in_words(path):
    with pytest.raises(RefusedInput, match="no token file"):
        TokenFile(path)


@pytest.mark.parametrize("login", ["", " ", "a" * 101, "a\nb"])
def test_what_is_no_login_gets_no_token(path, login):
    with pytest.raises(RefusedInput, match="not a login"):
        add_token(path, login, Role.READER)
    assert not path.exists()


def test_an_entry_without_a_time_zone_is_refused(path):
    add_token(path, "ada", Role.READER)
    said = json.loads(path.read_text())
    said["tokens"][0]["expires"] = (datetime.now(UTC) + timedelta(days=1)).replace(tzinfo=None).isoformat()
    path.write_text(json.dumps(said))
    with pytest.raises(RefusedInput):
        TokenFile(path)


def test_the_command_makes_lists_and_removes(path, capsys):
    assert main(["token", "add", "ada", "--file", str(path), "--role", "admin", "--name", "Lovelace^Ada"]) == 0
    token = capsys.readouterr().out.strip()
    assert TokenFile(path).person(token).role is Role.ADMIN
    assert main(["token", "list", "--file", str(path)]) == 0
    said = capsys.readouterr().out
    assert "ada  admin  Lovelace^Ada" in said
    assert token not in said
    assert main(["token", "remove", "ada", "--file", str(path)]) == 0
    assert listed(path) == []
