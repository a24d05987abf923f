import subprocess
import sys
from types import ModuleType

from timbreclip_core import hookimpl
from timbreclip_core.plugins import PluginManager, plugin_manager
from timbreclip_train import AugmentationEntry, DatasetEntry, RendererEntry, hookspecs, plugin


def manager_with(module):
    manager = PluginManager()
    manager._pm.add_hookspecs(__import__("timbreclip_core.hookspecs", fromlist=["x"]))
    manager.register(plugin, "timbreclip-train")
    manager.register(module, "someone-else")
    manager.finish()
    return manager


def test_a_plugin_can_add_datasets_augmentations_and_renderers():
    module = ModuleType("theirs")

    @hookimpl
    def tclip_datasets():
        yield DatasetEntry(name="d", summary="s", load=list, licence="CC0-1.0")

    @hookimpl
    def tclip_augmentations():
        yield AugmentationEntry(name="a", summary="s", load=list, words=("bright",))

    @hookimpl
    def tclip_renderers():
        yield RendererEntry(name="r", summary="s", load=list, licence="MIT", needs=("sox",))

    for hook in (tclip_datasets, tclip_augmentations, tclip_renderers):
        setattr(module, hook.__name__, hook)
    manager = manager_with(module)
    assert not [p.error for p in manager.plugins if p.error]
    for kind, name in ((DatasetEntry, "d"), (AugmentationEntry, "a"), (RendererEntry, "r")):
        assert manager.find(kind, name).summary == "s"


def test_this_package_is_switched_on():
    mine = [p for p in plugin_manager().plugins if p.distribution == "timbreclip-train"]
    assert len(mine) == 1 and mine[0].error is None
    assert "tclip_commands" in mine[0].hooks


def test_every_hook_is_documented():
    hooks = [v for k, v in vars(hookspecs).items() if k.startswith("tclip_")]
    assert len(hooks) == 3 and all(hook.__doc__ for hook in hooks)


def test_help_and_the_package_itself_do_not_import_torch():
    code = (
        "import sys, timbreclip_train\n"
        "from click.testing import CliRunner\n"
        "from timbreclip_core.cli.main import cli\n"
        "assert 'validate' in CliRunner().invoke(cli, ['train', '--help']).output\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
