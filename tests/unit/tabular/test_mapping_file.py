import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async import ConfigurationError
from octoffm_async.tabular.mapping_file import Mapping, load_mapping, save_mapping

TEXTS = st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8")))


@given(columns=TEXTS, values=TEXTS)
def test_a_saved_mapping_comes_back(tmp_path_factory, columns, values):
    path = tmp_path_factory.getbasetemp() / "mapping.toml"
    columns = {name.replace(".", "_"): value for name, value in columns.items()} | {"delivery_address.city": "Ville"}
    save_mapping(path, Mapping(columns, values))
    assert load_mapping(path) == Mapping(columns, values)


def test_a_mapping_may_be_written_by_hand(tmp_path):
    path = tmp_path / "m.toml"
    path.write_text('[map]\ngtin = "ean"\ndelivery_address.city = "Ville"\n[set]\nweight_g = 5\nis_traceable = true\n')
    assert load_mapping(path) == Mapping(
        {"gtin": "ean", "delivery_address.city": "Ville"}, {"weight_g": "5", "is_traceable": "true"}
    )


def test_what_is_said_last_wins():
    kept = Mapping({"gtin": "ean", "title": "name"}, {"weight_g": "5"})
    assert kept.with_({"weight_g": "poids"}, {"title": "X"}) == Mapping(
        {"gtin": "ean", "weight_g": "poids"}, {"title": "X"}
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [("x = ", "is not TOML"), ("[other]\n", "no section other"), ("map = 1\n", "map is not a section"),
     ("[map]\ngtin = [1]\n", "map.gtin is not one value")],
)  # fmt: skip
def test_what_is_no_mapping_is_reported(tmp_path, text, message):
    path = tmp_path / "m.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        load_mapping(path)
