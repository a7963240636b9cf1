"""The classic recipes: what makes them, and that each works on a small picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toys import toy_photo, toy_vgg

from vidstyle.errors import OptionError
from vidstyle.models.layers import layer_names
from vidstyle.models.vgg import VGG19
from vidstyle.stylizers import RECIPES, OptimizeOptions, OptimizeStylizer, Step, find_recipe

BLOCK_STARTS = [f"relu{block}_1" for block in range(1, 6)]


def test_all_of_them_are_there_with_their_sources() -> None:
    assert list(RECIPES) == ["default", "gatys", "keras", "notebook", "lecture", "owl"]
    for recipe in RECIPES.values():
        assert recipe.source
        assert recipe.about.endswith(".")
    assert RECIPES["default"].options == OptimizeOptions()


def test_what_makes_each() -> None:
    gatys, keras, notebook, lecture, owl = (RECIPES[name].options for name in list(RECIPES)[1:])
    assert [name for name, _ in gatys.style_layers] == BLOCK_STARTS
    assert len({weight for _, weight in gatys.style_layers}) == 1
    assert gatys.content_layers == (("relu4_2", 1.0),)
    assert (gatys.optimizer, gatys.pooling, gatys.normalization) == ("lbfgs", "average", "gatys")

    assert keras.content_layers == (("relu5_2", 1.0),)
    assert (keras.init, keras.optimizer) == ("noise", "lbfgs")
    assert keras.tv_weight > 0

    assert notebook.style_layers == tuple(zip(BLOCK_STARTS, (1, 0.8, 0.5, 0.3, 0.1), strict=True))
    assert notebook.content_layers == (("relu4_2", 1.0),)
    assert (notebook.content_weight, notebook.style_weight) == (1, 1e6)
    assert (notebook.optimizer, notebook.iterations) == ("adam", 2000)

    assert [name for name, _ in lecture.style_layers] == layer_names()
    assert lecture.content_layers[0][0].startswith("relu4_")
    assert (lecture.init, lecture.optimizer) == ("content", "lbfgs")
    assert 50 <= lecture.iterations <= 100

    assert (owl.optimizer, owl.iterations, owl.style_weight, owl.init) == ("adam", 250, 20, "noise")
    assert owl.noise == pytest.approx(0.256 / 255)


@pytest.mark.parametrize("name", list(RECIPES))
def test_each_lowers_its_loss(name: str) -> None:
    steps: list[Step] = []
    options = replace(RECIPES[name].options, iterations=25, device="cpu", precision="fp32")
    stylizer = OptimizeStylizer([(toy_photo(seed=8), 1.0)], options, VGG19(toy_vgg()))
    result = stylizer(toy_photo(), listener=steps.append)
    last = [step.losses.total for step in steps if step.scale == step.scales]
    assert np.isfinite(last).all()
    assert min(last) < last[0]
    assert result.std() > 1


def test_unknown_recipes_name_the_nearest() -> None:
    assert find_recipe("owl") is RECIPES["owl"]
    with pytest.raises(OptionError, match=r"'gatis'; did you mean gatys"):
        find_recipe("gatis")
    with pytest.raises(OptionError, match="there are default, gatys, keras"):
        find_recipe("zzz")
