"""``wsvad completion``."""

import sys
from dataclasses import dataclass
from typing import Annotated, Literal

from wsvad.cli.options import Common
from wsvad.options import HIDDEN, Word

Shell = Literal["bash", "zsh", "fish"]


_HOW = 'bash: eval "$(wsvad completion bash)" in ~/.bashrc; zsh: wsvad completion zsh > DIR/_wsvad, DIR one of $fpath'


@dataclass(frozen=True, kw_only=True)
class Options(Common):
    """The shell to support."""

    shell: Annotated[Shell, HIDDEN, Word("SHELL", _HOW)] = "bash"


def run(options: Options) -> int:
    """Print the completion script."""
    from wsvad.cli.main import VERBS
    from wsvad.cli.parser import build

    sys.stdout.write(build(VERBS, VERBS).generate_completion(prog_name="wsvad", shell=options.shell))
    return 0
