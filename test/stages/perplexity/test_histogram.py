import math

import numpy as np

from stages.perplexity.histogram import distribution, histogram


def test_every_finite_perplexity_lies_in_its_bin() -> None:
    values = np.exp(np.random.default_rng(0).normal(4, 1, 500))
    found = histogram({"legal": np.append(values, math.inf), "general": np.array([1.0])})
    edges = np.array(found["edges"])
    assert edges[0] == 1.0 and np.allclose(edges[1:] / edges[:-1], 2 ** (1 / 32), rtol=1e-6)
    assert found["groups"][0]["counts"] == np.histogram(values, edges)[0].tolist()
    assert sum(found["groups"][0]["counts"]) == 500
    assert found["groups"][1]["counts"][0] == sum(found["groups"][1]["counts"]) == 1


def test_parts_have_the_edges_of_the_whole() -> None:
    values = np.exp(np.random.default_rng(1).normal(3, 2, 200))
    whole = distribution(values)
    for part in (distribution(values[::2]), distribution(values[1::2])):
        assert set(part["edges"]) <= set(whole["edges"])


def test_without_a_document_there_is_nothing_to_count() -> None:
    assert histogram({"legal": np.array([math.inf])}) == {"edges": [], "groups": []}
    assert distribution(np.zeros(0)) == {"edges": [], "counts": []}
