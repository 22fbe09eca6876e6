"""Responses that go to another process."""

import copy
import pickle

from multidict import CIMultiDict, CIMultiDictProxy

from octoffm_async.transport.connection_history import ConnectionHistory
from octoffm_async.transport.response import Response


def test_a_response_can_be_pickled_and_copied_with_its_headers() -> None:
    headers = CIMultiDictProxy(CIMultiDict([("Link", "<a>"), ("link", "<b>"), ("Content-Type", "application/json")]))
    response = Response(201, headers, b"{}", "https://api.example/", ConnectionHistory(lambda: None))
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(response, protocol))  # noqa: S301  (our own bytes)
        assert again[:1] + again[2:4] == response[:1] + response[2:4]
        assert type(again) is Response
        assert again.headers.getall("LINK") == ["<a>", "<b>"]
    assert copy.deepcopy(response).headers == headers
    assert copy.copy(response).json() == {}
