from __future__ import annotations

import pytest
import torch

from entropylab.models import list_models, load


def test_zoo_models_load_by_name_and_those_of_english_predict_it():
    assert {"lab/english-s", "lab/english-trigram"} <= set(list_models())
    for name in list_models():
        model, tokenizer = load(name)
        assert not model.training and model.dtype == torch.float32
        ids = torch.tensor([tokenizer("She opened the door and looked at")["input_ids"]])
        logits = model(input_ids=ids).logits
        assert logits.shape == (*ids.shape, len(tokenizer))
        if not name.startswith("lab/english"):
            continue
        likely = {tokenizer.decode([token]) for token in logits[0, -1].topk(5).indices.tolist()}
        assert likely & {" the", " her", " him", " his", " it", " me", " them"}, (name, likely)


def test_tokenizers_of_the_zoo_give_back_every_string():
    _, tokenizer = load("lab/english-s")
    for text in ("Déjà vu: ünïcödé, 漢字, 🙂\n\n\ttabs ", "", " two  spaces", "it 's  n't ."):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_rivals_of_one_family_share_their_tokenizer():
    vocabularies = [load(name)[1].get_vocab() for name in ("lab/english-s", "lab/english-trigram")]
    assert vocabularies[0] == vocabularies[1]


def test_hub_families_load_from_a_folder(model_folder):
    model, tokenizer = load(str(model_folder))
    ids = tokenizer("The rain had stopped", return_tensors="pt")["input_ids"]
    assert model(input_ids=ids).logits.shape[-1] == len(tokenizer)


def test_weights_other_than_safetensors_are_refused(model_folder, tmp_path):
    for file in model_folder.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(OSError, match="could not be loaded"):
        load(str(tmp_path))


def test_an_unknown_zoo_model_gets_a_suggestion():
    with pytest.raises(ValueError, match=r"no zoo model 'lab/english-z'.*did you mean 'lab/english-"):
        load("lab/english-z")


def test_a_folder_that_is_not_there_is_an_error_that_names_the_zoo(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(OSError, match=r"'./no/such/model' could not be loaded.*lab/english-s"):
        load("./no/such/model")


def test_a_name_that_is_no_string_is_a_type_error():
    with pytest.raises(TypeError, match="name: got int"):
        load(3)
