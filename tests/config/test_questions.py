"""A question is answered the same by itself, in a transaction, and along with another's."""

import pytest

from config import database
from config.database import Question

NUMBERS = "SELECT to_json(n) FROM generate_series(1, %(most)s::int) n ORDER BY n DESC"
WORDS = "SELECT json_build_object('word', w) FROM unnest(%(words)s::text[]) w"


@pytest.mark.parametrize("most", [0, 1, 4])
def test_a_question_by_itself_or_in_a_transaction(db: None, most: int) -> None:
    question = Question(NUMBERS, {"most": most})
    with database.transaction() as session:
        assert question.ask(session) == list(range(most, 0, -1))
    assert question.ask(None) == list(range(most, 0, -1))


@pytest.mark.parametrize("most", [0, 1, 60])
@pytest.mark.parametrize("words", [[], ["砀山酥梨"], ["a", "b"]])
def test_two_questions_are_one_statement_and_keep_their_own_order(
    db: None, most: int, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, statement = [], database.statement
    monkeypatch.setattr(database, "statement", lambda *given: asked.append(given) or statement(*given))
    numbers, told = Question(NUMBERS, {"most": most}).ask_along(Question(WORDS, {"words": words}))
    assert (numbers, told) == (list(range(most, 0, -1)), [{"word": word} for word in words])
    assert len(asked) == 1


def test_no_question_speaks_for_another(db: None) -> None:
    """Else what a caller is asked by, a digest of the token, could be replaced by what the view asks."""
    with pytest.raises(ValueError, match="same name"):
        Question(NUMBERS, {"most": 1}).ask_along(Question(NUMBERS, {"most": 2}))


def test_the_network_rule_holds_for_two_as_for_one(db: None) -> None:
    with database.transaction(), pytest.raises(AssertionError):
        Question(NUMBERS, {"most": 1}).ask_along(Question(WORDS, {"words": []}))
