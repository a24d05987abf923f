"""Broken, misspelt, clashing and limited plugins; each is a real module given to the manager."""

from types import SimpleNamespace

import pytest

from timbreclip_core import hookimpl, hookspecs
from timbreclip_core.errors import PluginError, UnknownNameError
from timbreclip_core.plugins import EncoderEntry, PluginManager, PluginWarning, Weights

WEIGHTS = Weights(licence="MIT", size_mb=1, source="here")


def entry(name):
    return EncoderEntry(
        name=name, summary="", load=dict, space="small", sample_rate=16_000, weights=WEIGHTS
    )


def yielding(*records):
    class Plugin:
        @hookimpl
        def tclip_encoders(self):
            yield from records

    return Plugin()


def manager(**plugins):
    result = PluginManager()
    result._pm.add_hookspecs(hookspecs)
    for distribution, plugin in plugins.items():
        result.register(plugin, distribution)
    result.finish()
    return result


def names(result):
    return [r.entry.name for r in result.entries(EncoderEntry)]


def test_entries_of_several_plugins_are_listed_by_name():
    assert names(manager(a=yielding(entry("z")), b=yielding(entry("y"), entry("x")))) == list("xyz")


def test_find_returns_the_one_entry_of_a_name():
    found = entry("x")
    assert manager(a=yielding(found), b=yielding(entry("y"))).find(EncoderEntry, "x") is found


def test_an_unknown_name_lists_the_known_and_the_closest():
    with pytest.raises(UnknownNameError, match="Did you mean 'wav2clip'") as caught:
        manager(a=yielding(entry("wav2clip"))).find(EncoderEntry, "wav2clp")
    assert caught.value.exit_code == 2


def test_a_clash_names_both_distributions_when_the_name_is_used():
    both = manager(first=yielding(entry("x"), entry("only")), second=yielding(entry("x")))
    with pytest.raises(PluginError, match="first and by second"):
        both.find(EncoderEntry, "x")
    assert both.find(EncoderEntry, "only").name == "only"
    assert "first and by second" in both.clashes((EncoderEntry,))[0]


def test_a_misspelt_hook_switches_off_only_its_plugin():
    class Misspelt:
        @hookimpl
        def tclip_encodres(self):
            yield entry("never")

        @hookimpl
        def tclip_encoders(self):
            yield entry("neither")

    with pytest.warns(PluginWarning, match=r"of wrong is switched off.*tclip_encodres"):
        result = manager(wrong=Misspelt(), right=yielding(entry("x")))
    assert names(result) == ["x"]


def test_a_hook_with_a_wrong_signature_switches_off_only_its_plugin():
    class Wrong:
        @hookimpl
        def tclip_encoders(self, surprise):
            yield entry("never")

    with pytest.warns(PluginWarning, match="of wrong is switched off"):
        result = manager(wrong=Wrong(), right=yielding(entry("x")))
    assert names(result) == ["x"]


def test_hooks_of_a_sibling_that_is_not_installed_are_ignored():
    class Both:
        @hookimpl
        def tclip_eqs(self):
            yield "needs timbreclip-eq"

        @hookimpl
        def tclip_encoders(self):
            yield entry("x")

    assert names(manager(both=Both())) == ["x"]


def test_a_hook_that_raises_switches_off_only_its_plugin():
    class Raising:
        @hookimpl
        def tclip_encoders(self):
            yield entry("first")
            raise RuntimeError("broken inside")

    result = manager(bad=Raising(), good=yielding(entry("x")))
    with pytest.warns(PluginWarning, match="of bad is switched off: RuntimeError: broken inside"):
        assert names(result) == ["x"]


def test_a_record_of_another_kind_switches_off_only_its_plugin():
    result = manager(bad=yielding("no record"), good=yielding(entry("x")))
    with pytest.warns(PluginWarning, match="'no record'"):
        assert names(result) == ["x"]


def test_a_broken_command_hook_leaves_the_other_commands():
    class Bad:
        @hookimpl
        def tclip_commands(self, cli):
            raise ImportError("no library")

    class Good:
        @hookimpl
        def tclip_commands(self, cli):
            cli.append("good")

    added = []
    with pytest.warns(PluginWarning, match="no library"):
        manager(bad=Bad(), good=Good()).add_commands(added)
    assert added == ["good"]


def test_a_plugin_may_bring_hooks_of_its_own():
    from timbreclip_core import hookspec

    class Spec:
        @hookspec
        def tclip_own(self):
            """A hook of a third party."""

    class User:
        @hookimpl
        def tclip_own(self):
            return 1

    owner = SimpleNamespace(tclip_addhooks=lambda pm: pm.add_hookspecs(Spec))
    assert all(p.error is None for p in manager(user=User(), owner=owner).plugins)


@pytest.mark.parametrize(
    ("only", "wanted"),
    [
        (None, True),
        (frozenset({"other"}), True),
        (frozenset({"point"}), True),
        (frozenset(), False),
    ],
)
def test_limiting_plugins_goes_by_distribution_or_entry_point(only, wanted):
    assert PluginManager(only)._wanted("other", "point") is wanted


def test_our_own_packages_are_never_limited():
    assert PluginManager(frozenset())._wanted("timbreclip-eq", "eq")
