"""The documents in memory: filters, nearest by sign bits, growth, removal."""

from __future__ import annotations

import numpy as np
import pytest

from rtstream.store.documents import CHUNK, FAR, Documents, sign_bits


def filled(count: int, limit: int = 1_000_000) -> Documents:
    documents = Documents(limit)
    ids = np.arange(1, count + 1)
    documents.add(ids, ids % 3, ids * 2.0, ids * 2.0 + 2)
    return documents


def test_sign_bits_hold_one_bit_a_component() -> None:
    vectors = np.array([[1.0, -1.0] * 50, [-1.0] * 100], np.float32)
    bits = sign_bits(vectors)
    assert bits.shape == (2, 2)
    assert np.bitwise_count(bits[0] ^ bits[1]).sum() == 50


def test_filters_leave_the_documents_of_a_place_that_share_time_with_the_range() -> None:
    view = filled(10).view()
    assert view.ids[view.allowed([0], 7.0, 13.0)].tolist() == [3, 6]
    assert view.ids[view.allowed([99], None, None)].tolist() == []
    assert view.allowed(None, None, None).all()


@pytest.mark.parametrize("dimensions", [100, 384, 1536])
def test_distances_count_differing_signs_of_embedded_documents_only(dimensions: int) -> None:
    count = CHUNK + 100
    documents = filled(count)
    vectors = np.random.default_rng(1).standard_normal((count - 1, dimensions)).astype(np.float32)
    documents.embed(range(1, count), sign_bits(vectors))
    view = documents.view()
    query = vectors[7]
    mask = view.allowed([0, 1], None, None)
    distances = view.distances(sign_bits(query[None])[0], mask)
    expected = ((vectors > 0) != (query > 0)).sum(axis=1)
    assert (distances[:-1][mask[:-1]] == expected[mask[:-1]]).all()
    assert (distances[~mask] == FAR).all()
    assert distances[-1] == FAR


def test_a_view_stays_as_it_was_while_documents_come_and_go() -> None:
    documents = filled(10)
    view = documents.view()
    documents.add([11], [0], [22.0], [24.0])
    for more in range(12, 12 + 3 * CHUNK, CHUNK):
        ids = np.arange(more, more + CHUNK)
        documents.add(ids, ids * 0, ids * 2.0, ids * 2.0)
    assert view.ids.tolist() == list(range(1, 11))
    assert documents.count == 11 + 3 * CHUNK


def test_the_newest_waiting_documents_get_vectors_first_and_the_removed_never() -> None:
    documents = filled(CHUNK + 5)
    documents.remove([CHUNK + 4])
    documents.give_up([CHUNK + 2])
    assert documents.next_waiting(3) == [CHUNK + 5, CHUNK + 3, CHUNK + 1]
    documents.embed(documents.next_waiting(3), sign_bits(np.ones((3, 64), np.float32)))
    assert documents.next_waiting(2) == [CHUNK, CHUNK - 1]
    assert documents.waiting == CHUNK
    documents.forget_vectors()
    assert documents.waiting == CHUNK + 4


def test_beyond_the_limit_the_oldest_go_and_are_counted() -> None:
    documents = filled(1000, limit=1000)
    documents.add([1001], [0], [5000.0], [5002.0])
    assert documents.dropped > 0
    assert documents.count + documents.dropped == 1001
    view = documents.view()
    assert view.ids[-1] == 1001
    assert view.rows(np.array([1, 1001])).tolist() == [len(view.ids) - 1]


def test_a_vector_of_another_length_makes_every_document_wait_for_a_new_one() -> None:
    documents = filled(3)
    documents.embed([1, 2, 3], sign_bits(np.ones((3, 64), np.float32)))
    documents.embed([2], sign_bits(np.ones((1, 128), np.float32)))
    assert documents.next_waiting(9) == [3, 1]
