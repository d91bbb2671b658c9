"""The laws of every row of every registry: what is added there is tested by its row alone."""

import pytest

from mesa.registry import LEARNERS, TOKEN_PREDICTORS
from tasks.registry import READERS, TASKS
from tests.helpers.laws.rows import check_row
from tests.helpers.laws.tasks import check_task

REGISTRIES = (TASKS, READERS, LEARNERS, TOKEN_PREDICTORS)


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
def test_every_row_is_named_described_and_there(registry) -> None:
    assert registry
    for name, row in registry.items():
        check_row(name, row)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_obeys_the_laws(name: str) -> None:
    check_task(name, TASKS[name])
