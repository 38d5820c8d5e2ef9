import types

import pytest

from gancompare.base.parameters import ParameterError, check_parameters

ALLOWED = {"methods": list[str], "seeds": int, "clip": float, "results": str | None, "toys": ["roll", "ring"]}
GOOD = {"methods": ["gan", "wgan"], "seeds": 2, "clip": 0.1, "results": None, "toys": ["ring"]}


def test_parameters_of_the_right_names_and_types_pass():
    check_parameters(GOOD, ALLOWED)
    check_parameters(GOOD | {"clip": 1, "results": "here"}, ALLOWED)  # a whole number is a number


def test_what_a_kernel_puts_among_the_globals_is_no_parameter():
    kernel = {"In": ["", "1"], "Out": {}, "_i1": "seeds = 2", "exit": object(), "math": types.ModuleType("math")}
    check_parameters(GOOD | kernel, ALLOWED)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sedes": 3}, r"unknown parameter 'sedes': did you mean 'seeds'\?"),
        ({"zzz": 3}, r"unknown parameter 'zzz': valid are methods, seeds, clip, results, toys"),
        ({"methods": "gan wgan"}, r"methods='gan wgan' must be of type list\[str\]; .*-y 'methods: \[a, b\]'"),
        ({"methods": []}, r"methods=\[\] must be of type list\[str\]"),
        ({"methods": ["gan", 1]}, r"methods=\['gan', 1\] must be"),
        ({"seeds": "2"}, r"seeds='2' must be of type int$"),
        ({"seeds": 2.0}, r"seeds=2.0 must be of type int"),
        ({"seeds": True}, r"seeds=True must be of type int"),
        ({"seeds": None}, r"seeds=None must be of type int"),
        ({"clip": "0.1"}, r"clip='0.1' must be of type float"),
        ({"toys": "ring"}, r"toys='ring' must be of type list\[str\]"),
        ({"toys": ["ring", "rol"]}, r"toys: unknown entry 'rol': did you mean 'roll'"),
        ({"results": 1}, r"results=1 must be of type str \| None"),
    ],
)
def test_anything_else_is_refused_with_a_remedy(changed, message):
    with pytest.raises(ParameterError, match=message):
        check_parameters(GOOD | changed, ALLOWED)


def test_a_parameter_that_is_not_set_is_refused():
    with pytest.raises(ParameterError, match="'clip' has no value"):
        check_parameters({name: value for name, value in GOOD.items() if name != "clip"}, ALLOWED)
